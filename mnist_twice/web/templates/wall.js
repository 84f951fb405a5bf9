// The wall: asks the server for the latest drawings as long as it is open, and for the true class of one after another.
// The key that allows labels is in the address, after '#', which browsers do not send; it is then hidden from the class.
const EVERY = 700, STILL = 1500; // milliseconds between two requests; after which a drawing counts as finished
const key = location.hash.slice(1) || sessionStorage.getItem('wall-key') || '';
if (key) sessionStorage.setItem('wall-key', key);
history.replaceState(null, '', location.pathname);

let version = '', state = { drawings: [] }, asked = null;
const skipped = new Set(), empty = part('.empty');

function counts({ drawn, labelled, right, agreed }) {
    const percent = (some, all) => `${some} of ${all} (${Math.round(100 * some / all)} %)`;
    const alike = `same answer from ${right.length > 2 ? 'all' : 'both'} networks`;
    const lines = [[drawn, drawn === 1 ? 'drawing' : 'drawings']];
    if (drawn && right.length > 1) lines.push([percent(agreed, drawn), alike]);
    if (labelled) right.forEach((some, i) => lines.push([percent(some, labelled), `read correctly by ${FRAMEWORKS[i]}`]));
    if (labelled && KEPT) lines.push([labelled, 'saved with a label']);
    return lines.map(([number, text]) => element('p', '', element('strong', '', number), ` ${text}`));
}

// A tile stays the same element while its drawing changes: a tap must not miss it, nor the keyboard's focus leave it.
function tile(drawing) {
    let made = part(`#tile${drawing.number}`);
    if (!made) {
        made = element('button', 'tile');
        made.id = `tile${drawing.number}`;
        made.disabled = !key;
        made.onclick = () => ask(drawing.number);
    }
    made.classList.toggle('differ', !drawing.agreed);
    made.classList.toggle('asked', drawing.number === asked);
    if (made.dataset.change === String(drawing.change)) return made;
    made.dataset.change = drawing.change;
    const image = element('img'), label = CLASSES[drawing.label];
    image.src = drawing.image;
    image.alt = `drawing ${drawing.number}`;
    const answers = drawing.answers.map(({ label: said, probability }, i) => {
        const kind = label && (String(said) === label ? 'right' : 'wrong');
        const percent = `${(100 * probability).toFixed(0)} %`;
        return element('li', kind, element('span', '', FRAMEWORKS[i]), element('b', '', said), percent);
    });
    made.replaceChildren(image, element('ul', '', ...answers), element('span', 'label', label ? `is ${label}` : ''));
    return made;
}

function place(made) { // the tiles in their order, moving none that is in its place
    const main = part('main');
    made.forEach((one, i) => main.children[i] === one || main.insertBefore(one, main.children[i] ?? null));
    while (main.children.length > made.length) main.lastChild.remove();
}

function show() {
    const find = number => state.drawings.find(drawing => drawing.number === number);
    if (!find(asked)) asked = null;
    if (key) asked ??= state.drawings.find(isOpen)?.number ?? null;
    part('.counts').replaceChildren(...counts(state));
    place(state.drawings.length ? state.drawings.map(tile) : [empty]);
    part('.question').hidden = asked === null;
    part('.clear').hidden = !key || !state.drawings.length;
    if (asked !== null) part('.question img').src = find(asked).image;
}

function isOpen({ number, label, since }) { // nobody has said what it is, and its author has finished it
    return label === null && performance.now() - since > STILL && !skipped.has(number);
}

function ask(number) {
    asked = number;
    skipped.delete(number);
    show();
}

async function change(what, sent) {
    try {
        const headers = { 'X-Wall-Key': key };
        const response = await fetch(`wall/${what}?${new URLSearchParams(sent)}`, { method: 'POST', headers });
        part('.message').textContent = response.ok ? '' : (await response.json()).error;
        return response.ok;
    } catch {
        part('.message').textContent = 'The server cannot be reached; try again.';
        return false;
    }
}

async function answer(label) {
    const drawing = state.drawings.find(one => one.number === asked);
    if (drawing && await change('label', { number: drawing.number, change: drawing.change, label })) {
        drawing.label = label; // until the server says so too
        ask(null);
    }
    await refresh();
}

document.querySelectorAll('.classes button').forEach((button, label) => button.onclick = () => answer(label));
part('.skip').onclick = () => {
    skipped.add(asked);
    ask(null);
};
part('.remove').onclick = async () => {
    if (await change('remove', { number: asked })) skipped.add(asked);
    await refresh();
};
part('.clear').onclick = async () => {
    if (confirm('Delete all drawings from the wall?') && await change('clear', {})) skipped.clear();
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
    for (const drawing of latest.drawings) { // since when each is as it is
        const known = state.drawings.find(one => one.number === drawing.number && one.change === drawing.change);
        drawing.since = known?.since ?? performance.now();
    }
    state = latest;
    show();
}

let lost = false;
async function watch() {
    try {
        await refresh();
        if (lost) part('.message').textContent = '';
        lost = false;
        if (key && asked === null && state.drawings.some(isOpen)) show();
    } catch {
        lost = true;
        part('.message').textContent = 'The server cannot be reached; it may have stopped. Trying again.';
    }
    setTimeout(watch, EVERY);
}
watch();
