// The wall: asks the server for the latest drawings as long as it is open, and for the true class of one after another.
// The key that allows labels is in the address, after '#', which browsers do not send; it is then hidden from the class.
const EVERY = 700, STILL = 1500; // milliseconds between two requests; after which a drawing counts as finished
const part = name => document.querySelector(name);
const key = location.hash.slice(1) || sessionStorage.getItem('wall-key') || '';
if (key) sessionStorage.setItem('wall-key', key);
history.replaceState(null, '', location.pathname);

let version = '', state = { drawings: [] }, asked = null;
const skipped = new Set(), tiles = new Map(), empty = part('.empty');
let changes = new Map(); // by a drawing's number: its latest change, and when that came

function element(tag, text = '', kind = '') {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = kind;
    return made;
}

function counts() {
    const line = (number, text) => {
        const made = element('p');
        made.append(element('strong', number), ` ${text}`);
        return made;
    };
    const percent = (some, all) => `${some} of ${all} (${Math.round(100 * some / all)} %)`;
    const { drawn, labelled, right, agreed } = state;
    const lines = [line(drawn, `drawing${drawn === 1 ? '' : 's'}`)];
    if (drawn && right.length > 1) lines.push(line(percent(agreed, drawn), `read alike by ${right.length > 2 ? 'all' : 'both'} networks`));
    if (labelled) right.forEach((some, i) => lines.push(line(percent(some, labelled), `read correctly by ${FRAMEWORKS[i]}`)));
    if (labelled && KEPT) lines.push(line(labelled, 'saved with a label'));
    part('.counts').replaceChildren(...lines);
}

// A tile stays the same element while its drawing changes: a tap must not miss it, nor the keyboard's focus leave it.
function tile(drawing) {
    let made = tiles.get(drawing.number);
    if (!made) {
        made = element('button', '', 'tile');
        made.type = 'button';
        made.disabled = !key;
        made.onclick = () => ask(drawing.number);
        tiles.set(drawing.number, made);
    }
    made.classList.toggle('differ', !drawing.agreed);
    made.classList.toggle('asked', drawing.number === asked);
    if (made.dataset.change === String(drawing.change)) return made;
    made.dataset.change = drawing.change;
    const image = element('img');
    image.src = drawing.image;
    image.alt = `drawing ${drawing.number}`;
    const answers = element('ul'), label = CLASSES[drawing.label];
    drawing.answers.forEach((answer, i) => {
        const right = label === undefined ? '' : String(answer.digit) === label ? 'right' : 'wrong';
        const line = element('li', '', right);
        const percent = `${(100 * answer.probability).toFixed(0)} %`;
        line.append(element('span', FRAMEWORKS[i]), element('b', answer.digit), percent);
        answers.append(line);
    });
    made.replaceChildren(image, answers, element('span', label && `is ${label}`, 'label'));
    return made;
}

function place(made) { // the tiles in their order, moving none that is in its place
    const main = part('main');
    made.forEach((one, i) => main.children[i] === one || main.insertBefore(one, main.children[i] ?? null));
    while (main.children.length > made.length) main.lastChild.remove();
}

function show() {
    if (!state.drawings.some(drawing => drawing.number === asked)) asked = null;
    if (key) asked ??= state.drawings.find(is_open)?.number ?? null;
    counts();
    const shown = new Set(state.drawings.map(drawing => drawing.number));
    for (const number of tiles.keys()) if (!shown.has(number)) tiles.delete(number);
    place(state.drawings.length ? state.drawings.map(tile) : [empty]);
    const question = state.drawings.find(drawing => drawing.number === asked);
    part('.question').hidden = !question;
    part('.clear').hidden = !key || !state.drawings.length;
    if (question) part('.question img').src = question.image;
}

function is_open(drawing) { // nobody has said what it is, and its author has finished it
    const still = performance.now() - changes.get(drawing.number).time > STILL;
    return drawing.label === null && still && !skipped.has(drawing.number);
}

function ask(number) {
    asked = number;
    skipped.delete(number);
    show();
}

function next() {
    asked = null;
    show();
}

async function change(what, sent) {
    try {
        const headers = { 'X-Wall-Key': key };
        const response = await fetch(`wall/${what}?${new URLSearchParams(sent)}`, { method: 'POST', headers });
        part('.message').textContent = response.ok ? '' : (await response.json()).error;
        return response.ok;
    } catch {
        part('.message').textContent = 'The page cannot be reached; try again.';
        return false;
    }
}

async function answer(label) {
    const drawing = state.drawings.find(one => one.number === asked);
    if (drawing && await change('label', { number: drawing.number, change: drawing.change, label })) {
        drawing.label = label; // until the server says so too
        next();
    }
    await refresh();
}

document.querySelectorAll('.classes button').forEach((button, label) => button.onclick = () => answer(label));
part('.skip').onclick = () => {
    skipped.add(asked);
    next();
};
part('.remove').onclick = async () => {
    if (await change('remove', { number: asked })) skipped.add(asked);
    await refresh();
};
part('.clear').onclick = async () => {
    if (confirm('Take all drawings off the wall?') && await change('clear', {})) skipped.clear();
    await refresh();
};
document.addEventListener('keydown', event => {
    const label = CLASSES.indexOf(event.key); // of classes that are digits
    if (asked !== null && label >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey) answer(label);
});

async function refresh() {
    const response = await fetch(`wall/drawings?version=${version}`);
    if (!response.ok) throw new Error(response.status);
    const latest = await response.json();
    if (latest.version === version) return;
    version = latest.version;
    state = latest;
    const time = performance.now();
    changes = new Map(state.drawings.map(({ number, change }) => {
        const known = changes.get(number);
        return [number, known?.change === change ? known : { change, time }];
    }));
    show();
}

let lost = false;
async function watch() {
    try {
        await refresh();
        if (lost) part('.message').textContent = '';
        lost = false;
        if (key && asked === null && state.drawings.some(is_open)) show();
    } catch {
        lost = true;
        part('.message').textContent = 'The page cannot be reached; it may have ended. Trying again.';
    }
    setTimeout(watch, EVERY);
}
watch();
