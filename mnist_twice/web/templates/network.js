// Evaluates a network, one image at a time: mnist_twice/web/graph.py has taken its steps from model.onnx, and refuses
// what is not here. A value is a tensor, { shape, values }, its values in a flat array. Sums are double precision, so
// that the result is at least as exact as onnxruntime's.

function probabilitiesOf(network, image) {
    const tensors = { [network.image]: { shape: [1, 28, 28], values: Float32Array.from(image) } };
    for (const [name, { start, shape }] of Object.entries(network.constants)) {
        tensors[name] = { shape, values: network.weights.subarray(start, start + size(shape)) };
    }
    for (const step of network.steps) {
        const inputs = step.inputs.map(name => tensors[name]);
        tensors[step.output] = { shape: step.shape, values: OPERATIONS[step.op](step, ...inputs) };
    }
    return tensors[network.steps.at(-1).output].values;
}

const size = shape => shape.reduce((product, side) => product * side, 1);

// By how much the place in the values grows along each axis.
const stridesOf = shape => shape.map((_, axis) => size(shape.slice(axis + 1)));

// The same for a tensor that is one of these many axes, and repeated along those where it has one side.
const repeated = (shape, axes) => [
    ...new Array(axes - shape.length).fill(0),
    ...stridesOf(shape).map((stride, axis) => shape[axis] > 1 ? stride : 0),
];

// For each element of the shape in its order, its place in a tensor that grows by these strides along the axes.
function placesOf(shape, strides) {
    let places = [0];
    shape.forEach((side, axis) => {
        const further = [];
        for (const place of places) {
            for (let i = 0; i < side; i++) further.push(place + i * strides[axis]);
        }
        places = further;
    });
    return places;
}

const binary = compute => ({ shape }, a, b) => {
    const [one, other] = [a, b].map(tensor => placesOf(shape, repeated(tensor.shape, shape.length)));
    return Float32Array.from(one, (place, i) => compute(a.values[place], b.values[other[i]]));
};

// A row of numbers times a matrix, and a bias, which may be one number for all columns.
function dense({ shape: [, columns], transB }, { values: row }, { values: matrix }, bias) {
    const [along, down] = transB ? [row.length, 1] : [1, columns];
    return Float32Array.from({ length: columns }, (_, column) => {
        let sum = bias ? bias.values[bias.values.length > 1 ? column : 0] : 0;
        for (let i = 0; i < row.length; i++) sum += row[i] * matrix[column * along + i * down];
        return sum;
    });
}

function mean({ axes }, { shape, values }, further) {
    const gone = Array.from(axes ?? further?.values ?? [2, 3], axis => (axis + shape.length) % shape.length);
    const kept = shape.map((side, axis) => gone.includes(axis) ? 1 : side);
    const sums = new Float64Array(size(kept));
    placesOf(shape, repeated(kept, shape.length)).forEach((place, i) => sums[place] += values[i]);
    return Float32Array.from(sums, sum => sum * sums.length / values.length);
}

// For each place of the result, the pixels of its window that lie in the image: their places in the kernel and channel.
function windowsOf({ shape: [, , rows, columns], pads = [0, 0], strides = [1, 1] }, [height, width], kernel) {
    return Array.from({ length: rows * columns }, (_, place) => {
        const down = Math.floor(place / columns) * strides[0] - pads[0];
        const across = place % columns * strides[1] - pads[1];
        const pixels = [];
        for (let row = Math.max(0, -down); row < Math.min(kernel[0], height - down); row++) {
            for (let column = Math.max(0, -across); column < Math.min(kernel[1], width - across); column++) {
                pixels.push([row * kernel[1] + column, (down + row) * width + across + column]);
            }
        }
        return pixels;
    });
}

const OPERATIONS = {
    Add: binary((a, b) => a + b),
    Cast: ({ to }, { values }) => to === 2 ? Float32Array.from(Uint8Array.from(values)) : values, // 2 is uint8
    Gemm: dense,
    GlobalAveragePool: mean,
    MatMul: dense,
    Mul: binary((a, b) => a * b),
    ReduceMean: mean,
    Relu: (_, { values }) => values.map(value => Math.max(0, value)),
    Reshape: (_, { values }) => values,
    Softmax(_, { values }) {
        const most = Math.max(...values);
        const powers = Array.from(values, value => Math.exp(value - most));
        const sum = powers.reduce((a, b) => a + b);
        return Float32Array.from(powers, power => power / sum);
    },
    Transpose({ shape, perm }, input) {
        const strides = stridesOf(input.shape), order = perm ?? [...shape.keys()].reverse();
        return Float32Array.from(placesOf(shape, order.map(axis => strides[axis])), place => input.values[place]);
    },
    Pad({ shape }, input, pads, constant) {
        const strides = stridesOf(shape);
        const start = strides.reduce((sum, stride, axis) => sum + stride * pads.values[axis], 0);
        const result = new Float32Array(size(shape)).fill(constant ? constant.values[0] : 0);
        placesOf(input.shape, strides).forEach((place, i) => result[start + place] = input.values[i]);
        return result;
    },
    Conv(step, { shape: [, channels, ...side], values }, { shape: [filters, , ...kernel], values: kernels }, bias) {
        const windows = windowsOf(step, side, kernel), pixels = size(side), weights = size(kernel);
        const result = new Float32Array(size(step.shape));
        windows.forEach((own, place) => {
            const sums = new Float64Array(bias ? bias.values : filters);
            for (const [inKernel, inChannel] of own) {
                for (let channel = 0; channel < channels; channel++) {
                    const value = values[channel * pixels + inChannel];
                    if (value === 0) continue; // after a ReLU every other one is
                    for (let filter = 0; filter < filters; filter++) {
                        sums[filter] += value * kernels[(filter * channels + channel) * weights + inKernel];
                    }
                }
            }
            sums.forEach((sum, filter) => result[filter * windows.length + place] = sum);
        });
        return result;
    },
    MaxPool(step, { shape: [, channels, ...side], values }) {
        const windows = windowsOf(step, side, step.kernel_shape), pixels = size(side);
        return Float32Array.from({ length: channels * windows.length }, (_, i) => {
            const start = Math.floor(i / windows.length) * pixels;
            return Math.max(...windows[i % windows.length].map(([, inChannel]) => values[start + inChannel]));
        });
    },
};
