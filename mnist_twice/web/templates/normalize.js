// From the sheet to the 28x28 image that the networks see: all ink of the sheet, in the form of MNIST's images, as
// mnist_twice/photos/normalize.py makes it, where the reasons for each step are. Functions and constants have its names.

const SIDE = 28, BOX = 20, FINE = 4, THINNEST = 0.1, THICKEST = 3.5;

// grey: 0 to 255, of each pixel of the sheet. Returns the image, Uint8Array of 784 where 255 is ink; null without ink.
function imageOf(grey, side) {
    const ink = new Plane(side, side, i => (255 - grey[i]) / 255);
    return ink.values.some(value => value > 0.4) ? toMnist(ink.cropped(0.4)) : null;
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

    cropped(above) { // to the rows and columns that have something above this
        let top = Infinity, left = Infinity, bottom = -1, right = -1;
        this.values.forEach((value, i) => {
            if (value <= above) return;
            const y = Math.floor(i / this.columns), x = i % this.columns;
            [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
        });
        if (bottom < 0) return this;
        return this.place(bottom - top + 1, right - left + 1, (y, x) => this.at(y + top, x + left));
    }
}

function toMnist(ink) {
    let fine = scaled(ink, FINE * BOX);
    const width = strokeWidth(fine) / FINE, missing = Math.min(Math.max(width, THINNEST), THICKEST) - width;
    if (width > 0 && Math.abs(missing) > 0.125) {
        const frame = Math.ceil(FINE * Math.abs(missing)) + 2;
        const wide = widened(solid(fine).padded(frame), FINE * missing);
        fine = scaled(wide.cropped(0.3), FINE * BOX);
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

// --- what OpenCV does there ---

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
