// The sheet to draw on. After each change it calls onDrawing(name, image): the drawing's random name, and what the
// networks see of it; null where all strokes were undone. The name is '' only after Clear, which ends a drawing: the
// next one gets a name of its own.
const canvas = part('#drawing canvas');
const pen = canvas.getContext('2d', { willReadFrequently: true });
const SHEET = canvas.width, STEP = 7, EVERY = 150; // pixels of the canvas; milliseconds between requests while drawing
let strokes = [], drawing = null, cursor = null, timer = null, id = ''; // drawing: the pointer that does

function paint(withCursor = true) {
    pen.fillStyle = 'white';
    pen.fillRect(0, 0, SHEET, SHEET);
    pen.strokeStyle = 'black';
    pen.lineWidth = 20;
    pen.lineCap = pen.lineJoin = 'round';
    for (const stroke of strokes) {
        pen.beginPath();
        pen.moveTo(...stroke[0]);
        stroke.forEach(point => pen.lineTo(...point)); // a stroke of one point is a dot
        pen.stroke();
    }
    if (!cursor || !withCursor) return;
    pen.strokeStyle = '#2563eb';
    pen.lineWidth = 3;
    pen.beginPath();
    pen.arc(...cursor, 11, 0, 2 * Math.PI);
    pen.stroke();
}

function send() {
    clearTimeout(timer);
    timer = null;
    paint(false);
    const { data } = pen.getImageData(0, 0, SHEET, SHEET);
    paint();
    onDrawing(id, imageOf(data.filter((_, i) => i % 4 === 0), SHEET));
}

function changed() {
    paint();
    timer ??= setTimeout(send, EVERY);
}

function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * SHEET / box.width, (event.clientY - box.top) * SHEET / box.height];
}

function beginStroke(point) {
    // crypto.randomUUID would need HTTPS, which a phone in a classroom does not have.
    id ||= [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
    strokes.push([point]);
}

function undo() {
    strokes.pop();
    send();
}

function clear() {
    strokes = [];
    id = '';
    send();
}

canvas.addEventListener('pointerdown', event => {
    if (!event.isPrimary || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    drawing = event.pointerId;
    cursor = null;
    beginStroke(pointOf(event));
    changed();
});
canvas.addEventListener('pointermove', event => {
    if (event.pointerId !== drawing) return;
    strokes.at(-1).push(pointOf(event));
    changed();
});
canvas.addEventListener('lostpointercapture', event => { // lifted, or taken away to scroll
    if (event.pointerId !== drawing) return;
    drawing = null;
    send();
});

const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
part('#drawing').addEventListener('keydown', event => {
    if (event.key === 'z' && (event.ctrlKey || event.metaKey)) undo();
    else if (event.key === 'Delete') clear();
    else if (ARROWS[event.key] && event.target === canvas) {
        const from = cursor ?? [SHEET / 2, SHEET / 2];
        cursor = from.map((value, axis) => Math.min(SHEET, Math.max(0, value + ARROWS[event.key][axis])));
        if (event.shiftKey) {
            const last = strokes.at(-1)?.at(-1);
            if (last?.join() !== from.join()) beginStroke(from); // the pen was lifted in between
            strokes.at(-1).push(cursor);
        }
        changed();
    } else return;
    event.preventDefault();
});
canvas.onblur = () => {
    cursor = null;
    paint();
};
part('.undo').onclick = undo;
part('.clear').onclick = clear;
paint();
