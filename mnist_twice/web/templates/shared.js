// What both pages use.
const part = name => document.querySelector(name);

function element(tag, kind = '', ...parts) {
    const made = document.createElement(tag);
    made.className = kind;
    made.append(...parts);
    return made;
}
