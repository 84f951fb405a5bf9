// From the sheet to the 28x28 image that the networks see, as mnist_twice/photos/ does it on the server, for black ink on a
// white square of 112 to 512 pixels: there is no light to even out, and no paper, ruled line or table to tell from ink.
// Functions and constants have the names that they have there; the reasons for each step are given there too.

const SIDE = 28, BOX = 20, FINE = 4, THINNEST = 0.1, THICKEST = 9, SMALLEST = 0.00008;

// grey: 0 to 255, of each pixel of the sheet. Returns the image, Uint8Array of 784 where 255 is ink; null without ink.
function findDigit(grey, side) {
    const strength = blurred(new Plane(side, side, i => (255 - grey[i]) / 255), side / 600);
    const { labels, pieces } = findPieces(strength);
    const own = new Set(piecesOfOne(pieces, side).map(piece => piece.label));
    if (!own.size) return null;
    const whole = new Plane(side, side, i => own.has(labels[i]) ? 1 : 0), digit = whole.cropped(whole, 0);
    if (isSign(digit)) return null;
    const ink = strength.cropped(whole, 0), near = dilated(digit);
    return toMnist(new Plane(ink.rows, ink.columns, i => ink.values[i] * near.values[i]));
}

class Plane { // numbers in rows and columns
    constructor(rows, columns, value) {
        Object.assign(this, { rows, columns, values: new Float32Array(rows * columns) });
        for (let i = 0; i < this.values.length; i++) this.values[i] = value(i);
    }

    at(y, x) { // 0 outside
        return y < 0 || x < 0 || y >= this.rows || x >= this.columns ? 0 : this.values[y * this.columns + x];
    }

    place(rows, columns, value) { // a plane of this size, by row and column
        return new Plane(rows, columns, i => value(Math.floor(i / columns), i % columns));
    }

    padded(by) {
        return this.place(this.rows + 2 * by, this.columns + 2 * by, (y, x) => this.at(y - by, x - by));
    }

    cropped(mask, above) { // to the rows and columns in which the mask has something above this
        const box = { top: Infinity, left: Infinity, bottom: -1, right: -1 };
        mask.values.forEach((value, i) => value > above && grow(box, Math.floor(i / mask.columns), i % mask.columns));
        if (box.bottom < 0) return this;
        return this.place(box.bottom - box.top, box.right - box.left, (y, x) => this.at(y + box.top, x + box.left));
    }
}

function grow(box, y, x) { // right and bottom are the first column and row beyond it
    box.top = Math.min(box.top, y);
    box.left = Math.min(box.left, x);
    box.bottom = Math.max(box.bottom, y + 1);
    box.right = Math.max(box.right, x + 1);
}

// --- mnist_twice/photos/segments.py: which pieces of ink make up the digit ---

function findPieces({ rows, columns, values }) {
    const labels = new Int32Array(values.length), pieces = [];
    for (let start = 0, label = 0; start < values.length; start++) {
        if (labels[start] || values[start] <= 0.4) continue;
        const piece = { label: ++label, area: 0, top: Infinity, left: Infinity, bottom: 0, right: 0 }, stack = [start];
        labels[start] = label;
        while (stack.length) {
            const i = stack.pop(), y = Math.floor(i / columns), x = i % columns;
            piece.area++;
            grow(piece, y, x);
            for (let v = Math.max(0, y - 1); v <= Math.min(rows - 1, y + 1); v++) {
                for (let u = Math.max(0, x - 1); u <= Math.min(columns - 1, x + 1); u++) {
                    const near = v * columns + u;
                    if (labels[near] || values[near] <= 0.4) continue;
                    labels[near] = label;
                    stack.push(near);
                }
            }
        }
        if (piece.area >= Math.max(4, SMALLEST * values.length)) pieces.push(piece);
    }
    return { labels, pieces: pieces.sort((a, b) => b.area - a.area) };
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
    const paper = mask.padded(1), stack = [0];
    paper.values[0] = 1;
    while (stack.length) {
        const i = stack.pop(), x = i % paper.columns;
        for (const near of [i - paper.columns, i + paper.columns, x ? i - 1 : -1, x < paper.columns - 1 ? i + 1 : -1]) {
            if (paper.values[near] !== 0) continue; // undefined outside
            paper.values[near] = 1;
            stack.push(near);
        }
    }
    return paper.values.includes(0);
}

// --- mnist_twice/photos/normalize.py: a digit's ink in the form of MNIST's images ---

function toMnist(ink) {
    let fine = scaled(ink, FINE * BOX);
    const width = strokeWidth(fine) / FINE, missing = Math.min(Math.max(width, THINNEST), THICKEST) - width;
    if (width > 0 && Math.abs(missing) > 0.125) {
        const frame = Math.ceil(FINE * Math.abs(missing)) + 2;
        const wide = widened(solid(fine).padded(frame), FINE * missing);
        fine = scaled(wide.cropped(wide, 0.3), FINE * BOX);
    }
    return centred(fine);
}

function strokeWidth(ink) {
    const depth = distances(solid(ink).padded(1));
    const around = dilated(depth).values;
    const middle = depth.values.filter((value, i) => value > 0 && value >= around[i]).sort();
    if (!middle.length) return 0;
    return middle[Math.floor((middle.length - 1) / 2)] + middle[Math.ceil((middle.length - 1) / 2)] - 1;
}

const solid = ({ rows, columns, values }) => new Plane(rows, columns, i => values[i] > 0.5 ? 1 : 0);

function widened(mask, by) {
    const paper = new Plane(mask.rows, mask.columns, i => 1 - mask.values[i]);
    const inside = distances(mask).values, outside = distances(paper).values;
    return new Plane(mask.rows, mask.columns, i => Math.min(1, Math.max(0, inside[i] - outside[i] + by / 2 + 0.5)));
}

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
    if (!total) return new Uint8Array(SIDE * SIDE);
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
    const tall = plane.place(rows.length, plane.columns, (y, x) => sum(plane.values, rows[y], x, plane.columns));
    return plane.place(rows.length, columns.length, (y, x) => sum(tall.values, columns[x], y * plane.columns, 1));
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
    const tall = plane.place(rows, columns, (y, x) => Math.max(plane.at(y - 1, x), plane.at(y, x), plane.at(y + 1, x)));
    return plane.place(rows, columns, (y, x) => Math.max(tall.at(y, x - 1), tall.at(y, x), tall.at(y, x + 1)));
}

// cv2.distanceTransform with DIST_L2 and a mask of 5: the length of the shortest way to a pixel of 0, in steps to a
// neighbour, a diagonal one, and a knight's move. In single precision, as there: equal distances have to stay equal.
function distances(mask) {
    const [ONE, DIAGONAL, KNIGHT] = [1, 1.4, 2.1969].map(Math.fround);
    const steps = [
        [-1, 0, ONE], [0, -1, ONE], [-1, -1, DIAGONAL], [-1, 1, DIAGONAL],
        [-1, -2, KNIGHT], [-1, 2, KNIGHT], [-2, -1, KNIGHT], [-2, 1, KNIGHT],
    ];
    const { rows, columns } = mask, result = new Plane(rows, columns, i => mask.values[i] ? Infinity : 0);
    const { values } = result;
    for (const sign of [1, -1]) {
        for (let k = 0; k < values.length; k++) {
            const i = sign > 0 ? k : values.length - 1 - k, y = Math.floor(i / columns), x = i % columns;
            for (const [down, right, length] of steps) {
                const v = y + sign * down, u = x + sign * right;
                if (v < 0 || u < 0 || v >= rows || u >= columns) continue;
                values[i] = Math.min(values[i], values[v * columns + u] + length);
            }
        }
    }
    return result;
}

function roundedToEven(value) { // as Python rounds
    const low = Math.floor(value);
    return value - low === 0.5 ? low + low % 2 : Math.round(value);
}
