// From the sheet to the 28x28 image that the networks see, as mnist_twice/photos/ does it on the server, for black ink
// on a white square of 112 to 512 pixels: there is no light to even out, no paper, ruled line or table to tell from ink,
// and no pen but the page's own, whose strokes are too thick only for a digit smaller than a quarter of the sheet.
// Functions and constants have the names that they have there; the reasons for each step are given there too.

const SIDE = 28, BOX = 20, FINE = 4, SMALLEST = 0.00008;

// grey: 0 to 255, of each pixel of the sheet. Returns the image, Uint8Array of 784 where 255 is ink; null without ink.
function findDigit(grey, side) {
    const strength = blurred(new Plane(side, side, (y, x, i) => (255 - grey[i]) / 255), side / 600);
    const places = piecesOfOne(findPieces(strength), side).flatMap(piece => piece.places), own = new Set(places);
    if (!places.length) return null;
    const box = boxOf(places, side + 1), ink = strength.cropped(box);
    const digit = new Plane(side, side, (y, x) => own.has(y * (side + 1) + x) ? 1 : 0).cropped(box);
    if (isSign(digit)) return null;
    const near = dilated(digit);
    return centred(scaled(new Plane(ink.rows, ink.columns, (y, x) => ink.at(y, x) * near.at(y, x)), FINE * BOX));
}

class Plane { // numbers in rows and columns
    constructor(rows, columns, value) {
        Object.assign(this, { rows, columns, values: new Float32Array(rows * columns) });
        for (let y = 0, i = 0; y < rows; y++) {
            for (let x = 0; x < columns; x++, i++) this.values[i] = value(y, x, i);
        }
    }

    at(y, x) { // 0 outside
        return y < 0 || x < 0 || y >= this.rows || x >= this.columns ? 0 : this.values[y * this.columns + x];
    }

    cropped({ top, left, bottom, right }) {
        return new Plane(bottom - top, right - left, (y, x) => this.at(y + top, x + left));
    }
}

function boxOf(places, columns) { // right and bottom are the first column and row beyond it
    const box = { top: Infinity, left: Infinity, bottom: 0, right: 0 };
    for (const place of places) {
        const y = Math.floor(place / columns), x = place % columns;
        box.top = Math.min(box.top, y);
        box.left = Math.min(box.left, x);
        box.bottom = Math.max(box.bottom, y + 1);
        box.right = Math.max(box.right, x + 1);
    }
    return box;
}

// Gives the value at the start, and what is joined to it by these steps over equal ones, another value. Returns where.
function fill(values, start, steps, value) {
    const before = values[start], places = [start];
    values[start] = value;
    for (const place of places) { // which grows meanwhile
        for (const step of steps) {
            if (values[place + step] !== before) continue;
            values[place + step] = value;
            places.push(place + step);
        }
    }
    return places;
}

// --- mnist_twice/photos/segments.py: which pieces of ink make up the digit ---

function findPieces({ rows, columns, values }) {
    // One more column without ink, so that no step leads from one side of the sheet to the other.
    const wide = columns + 1, steps = [-1, 1, -wide - 1, -wide, -wide + 1, wide - 1, wide, wide + 1];
    const ink = new Plane(rows, wide, (y, x) => x < columns && values[y * columns + x] > 0.4 ? 1 : 0), pieces = [];
    ink.values.forEach((left, start) => {
        const places = left ? fill(ink.values, start, steps, 0) : [];
        const area = places.length;
        if (area >= Math.max(4, SMALLEST * values.length)) pieces.push({ places, area, ...boxOf(places, wide) });
    });
    return pieces.sort((a, b) => b.area - a.area);
}

const longest = box => Math.max(box.right - box.left, box.bottom - box.top);

function piecesOfOne(pieces, side) {
    const margin = Math.floor(side / 100);
    const edges = box => [box.left <= margin, box.top <= margin, box.right >= side - margin, box.bottom >= side - margin]
        .filter(Boolean).length;
    const crosses = (from, to) => from < 2 * side / 3 && to > side / 3;
    const reachesIn = box => crosses(box.left, box.right) && crosses(box.top, box.bottom) && edges(box) <= 1;
    const inside = pieces.filter(piece => reachesIn(piece) || !edges(piece));
    let candidates = inside.length ? inside : pieces;
    if (!pieces.length) return [];
    if (candidates[0].area < 0.1 * pieces[0].area && longest(candidates[0]) < 0.1 * side) candidates = pieces;
    const prominence = ({ area, left, right, top, bottom }) => {
        const x = ((left + right) / side - 1) / 2, y = ((top + bottom) / side - 1) / 2;
        return area * Math.exp(-4 * (x * x + y * y));
    };
    const main = candidates.reduce((best, piece) => prominence(piece) > prominence(best) ? piece : best);
    const chosen = [main];
    let rest = inside.filter(piece => piece !== main && piece.area >= 0.03 * main.area && !isDot(piece, main)), near;
    while ((near = rest.filter(piece => gap(piece, chosen) <= 0.2 * longest(main))).length) {
        chosen.push(...near);
        rest = rest.filter(piece => !near.includes(piece));
    }
    return chosen;
}

function isDot(part, digit) {
    const low = part.bottom > digit.bottom - 0.3 * (digit.bottom - digit.top);
    const beside = part.left >= digit.right - 0.1 * longest(digit) && low;
    return longest(part) <= 0.25 * longest(digit) && (beside || part.top >= digit.bottom);
}

function gap(box, others) {
    return Math.min(...others.map(other => Math.hypot(
        Math.max(0, other.left - box.right, box.left - other.right),
        Math.max(0, other.top - box.bottom, box.top - other.bottom),
    )));
}

// --- mnist_twice/photos/shapes.py: plus, minus, times and equals are no digits ---

function isSign(mask) {
    const { rows, columns } = mask;
    if (columns > 2.5 * rows) return true;
    if (Math.min(rows, columns) < 6 || columns <= 0.5 * rows) return false;
    const ninths = resampled(mask, areaTaps(rows, 3), areaTaps(columns, 3)).values;
    const of = (...places) => places.map(i => ninths[i]);
    const corners = of(0, 2, 6, 8), sides = of(1, 3, 5, 7), centre = ninths[4], least = Math.min, most = Math.max;
    const plus = most(...corners) < 0.1 * least(...sides) && least(centre, ...sides) > 0.1;
    const times = most(...sides) < 0.4 * least(...corners) && least(centre, ...corners) > 0.1;
    const bars = least(...of(0, 1, 2, 6, 7, 8)), equals = most(...of(3, 4, 5)) < 0.4 * bars && bars > 0.1;
    return (plus || times || equals) && !hasHole(mask);
}

function hasHole(mask) { // whether paper is not reached from the outside
    const { rows, columns } = mask;
    const framed = mask.cropped({ top: -1, left: -1, bottom: rows + 1, right: columns + 1 });
    fill(framed.values, 0, [-1, 1, -framed.columns, framed.columns], 1);
    return framed.values.includes(0);
}

// --- mnist_twice/photos/normalize.py: a digit's ink in the form of MNIST's images ---

function scaled(plane, side) {
    const scale = side / Math.max(plane.rows, plane.columns), taps = scale < 1 ? areaTaps : cubicTaps;
    const [rows, columns] = [plane.rows, plane.columns].map(length => Math.max(1, roundedToEven(length * scale)));
    return resampled(plane, taps(plane.rows, rows), taps(plane.columns, columns));
}

function centred(fine) {
    let total = 0, x = 0, y = 0;
    fine.values.forEach((value, i) => {
        total += value;
        x += value * (i % fine.columns);
        y += value * Math.floor(i / fine.columns);
    });
    const canvas = SIDE * FINE, middle = (14 + 0.5) * FINE - 0.5;
    const start = (mass, length) => Math.min(Math.max(middle - mass / total, 0), Math.max(0, canvas - length));
    const shifted = (from, by) => Array.from({ length: canvas }, (_, i) => {
        const place = Math.floor(i - by), part = i - by - place;
        return [[place, 1 - part], [place + 1, part]].filter(([index]) => index >= 0 && index < from);
    });
    const moved = resampled(fine, shifted(fine.rows, start(y, fine.rows)), shifted(fine.columns, start(x, fine.columns)));
    const image = resampled(moved, areaTaps(canvas, SIDE), areaTaps(canvas, SIDE)).values;
    const peak = Math.max(image.slice().sort().at(-8), 0.3);
    return Uint8Array.from(image, value => roundedToEven(255 * Math.min(1, Math.max(0, value / peak))));
}

// --- what OpenCV does on the server ---

function blurred(plane, sigma) { // cv2.GaussianBlur
    if (sigma <= 0.4) return plane;
    const reach = Math.round(8 * sigma + 1) >> 1, kernel = [];
    for (let i = -reach; i <= reach; i++) kernel.push(Math.exp(-i * i / (2 * sigma * sigma)));
    const sum = kernel.reduce((a, b) => a + b);
    const mirrored = (i, length) => i < 0 ? -i : i >= length ? 2 * length - 2 - i : i;
    const taps = length => Array.from({ length }, (_, i) =>
        kernel.map((weight, k) => [mirrored(i + k - reach, length), weight / sum]));
    return resampled(plane, taps(plane.rows), taps(plane.columns));
}

// Each new row is a weighted sum of old rows, [index, weight] each, and each new column of old columns.
function resampled(plane, rows, columns) {
    const sum = (values, taps, start, step) => {
        let all = 0;
        for (const [i, weight] of taps) all += weight * values[start + i * step];
        return all;
    };
    const tall = new Plane(rows.length, plane.columns, (y, x) => sum(plane.values, rows[y], x, plane.columns));
    return new Plane(rows.length, columns.length, (y, x) => sum(tall.values, columns[x], y * plane.columns, 1));
}

function areaTaps(from, to) { // cv2.INTER_AREA
    const scale = from / to;
    return Array.from({ length: to }, (_, i) => {
        const start = i * scale, end = Math.min(from, start + scale), taps = [];
        for (let j = Math.floor(start); j < end; j++) {
            const weight = (Math.min(end, j + 1) - Math.max(start, j)) / (end - start);
            if (weight > 1e-9) taps.push([j, weight]);
        }
        return taps;
    });
}

function cubicTaps(from, to) { // cv2.INTER_CUBIC
    const A = -0.75;
    const near = t => ((A + 2) * t - (A + 3)) * t * t + 1, far = t => ((A * t - 5 * A) * t + 8 * A) * t - 4 * A;
    return Array.from({ length: to }, (_, i) => {
        const place = (i + 0.5) * from / to - 0.5, first = Math.floor(place), t = place - first;
        const weights = [far(1 + t), near(t), near(1 - t), far(2 - t)];
        return weights.map((weight, k) => [Math.min(from - 1, Math.max(0, first - 1 + k)), weight]);
    });
}

function dilated(plane) { // cv2.dilate by 3x3
    const { rows, columns } = plane;
    const tall = new Plane(rows, columns, (y, x) => Math.max(plane.at(y - 1, x), plane.at(y, x), plane.at(y + 1, x)));
    return new Plane(rows, columns, (y, x) => Math.max(tall.at(y, x - 1), tall.at(y, x), tall.at(y, x + 1)));
}

function roundedToEven(value) { // as Python rounds
    const low = Math.floor(value);
    return value - low === 0.5 ? low + low % 2 : Math.round(value);
}
