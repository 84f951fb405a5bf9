// The sheet to draw on. After each change the event 'input' asks the server, with `props.value` { drawing, url }: the
// drawing's random name and the drawing as a data URL, '' where all strokes were undone. It is only '' after Clear, which
// ends a drawing: the next one gets a name of its own. Gradio's own canvas needs WebGL and sends fifteen files a stroke;
// this sends one.
const canvas = element.querySelector('canvas');
const pen = canvas.getContext('2d', { willReadFrequently: true });
const SIDE = canvas.width, STEP = 7, EVERY = 150; // pixels of the canvas; milliseconds between requests while drawing
let strokes = [], drawing = false, cursor = null, timer = null, id = '';

function paint() {
    pen.fillStyle = 'white';
    pen.fillRect(0, 0, SIDE, SIDE);
    pen.strokeStyle = 'black';
    pen.lineWidth = 20;
    pen.lineCap = pen.lineJoin = 'round';
    for (const stroke of strokes) {
        pen.beginPath();
        pen.moveTo(...stroke[0]);
        stroke.forEach(point => pen.lineTo(...point)); // a stroke of one point is a dot
        pen.stroke();
    }
}

function send() {
    timer = null;
    paint(); // without the cursor
    props.value = id && { drawing: id, url: strokes.length ? canvas.toDataURL('image/png') : '' };
    trigger('input');
    mark();
}

function change(at_once) {
    paint();
    mark();
    if (at_once) clearTimeout(timer);
    if (at_once) send();
    else timer ??= setTimeout(send, EVERY);
}

function mark() { // where the arrow keys are
    if (!cursor) return;
    pen.strokeStyle = '#2563eb';
    pen.lineWidth = 3;
    pen.beginPath();
    pen.arc(...cursor, 11, 0, 2 * Math.PI);
    pen.stroke();
}

function point_of(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
}

function begin_stroke(point) {
    // crypto.randomUUID would need HTTPS, which a phone in a classroom does not have.
    id ||= [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
    strokes.push([point]);
}

function undo() {
    strokes.pop();
    change(true);
}

function clear() {
    strokes = [];
    id = '';
    change(true);
}

canvas.addEventListener('pointerdown', event => {
    if (!event.isPrimary || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    cursor = null;
    begin_stroke(point_of(event));
    change(false);
});
canvas.addEventListener('pointermove', event => {
    if (!drawing || !event.isPrimary) return;
    strokes.at(-1).push(point_of(event));
    change(false);
});
for (const end of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(end, event => {
        if (!drawing || !event.isPrimary) return;
        drawing = false;
        change(true);
    });
}

const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
element.addEventListener('keydown', event => {
    if (event.key === 'z' && (event.ctrlKey || event.metaKey)) undo();
    else if (event.key === 'Delete') clear();
    else if (ARROWS[event.key] && event.target === canvas) {
        const from = cursor ?? [SIDE / 2, SIDE / 2];
        cursor = from.map((value, axis) => Math.min(SIDE, Math.max(0, value + ARROWS[event.key][axis])));
        if (event.shiftKey) {
            const last = strokes.at(-1)?.at(-1);
            if (last?.join() !== from.join()) begin_stroke(from); // the pen was lifted in between
            strokes.at(-1).push(cursor);
        }
        change(false);
    } else return;
    event.preventDefault();
});
canvas.addEventListener('blur', () => {
    cursor = null;
    paint();
});
element.querySelector('.undo').addEventListener('click', undo);
element.querySelector('.clear').addEventListener('click', clear);
paint();
