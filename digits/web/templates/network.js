// Evaluates a network, one image at a time. digits/web/graph.py has made its steps from model.onnx, and refuses what is not
// here. Values are flat arrays; sums are double precision, so that the result is at least as exact as onnxruntime's.

function probabilitiesOf(network, image) {
    const values = [Float32Array.from(image)];
    for (const step of network.steps) {
        const inputs = step.inputs.map(number => values[number]);
        const weights = ({ start, shape }) => network.weights.subarray(start, start + size(shape));
        values.push(OPERATIONS[step.op](step, inputs, weights));
    }
    return values.at(-1);
}

const size = shape => shape.reduce((product, side) => product * side, 1);

// For each element of the shape in its order, calls `visit` with the element's place by each of the lists of strides.
function walk(shape, strides, visit) {
    const axes = shape.length, at = new Array(axes).fill(0), places = strides.map(() => 0);
    for (let element = 0, all = size(shape); element < all; element++) {
        visit(element, places);
        for (let axis = axes - 1; axis >= 0; axis--) {
            at[axis]++;
            strides.forEach((own, i) => places[i] += own[axis]);
            if (at[axis] < shape[axis]) break;
            strides.forEach((own, i) => places[i] -= own[axis] * shape[axis]);
            at[axis] = 0;
        }
    }
}

const binary = compute => (step, inputs, weights) => {
    const result = new Float32Array(size(step.shape));
    const first = inputs[0], second = step.constant ? weights(step.constant) : inputs[1];
    walk(step.shape, step.strides, (element, [a, b]) => result[element] = compute(first[a], second[b]));
    return result;
};

function dense({ weights: where, bias }, [input], weights) {
    const matrix = weights(where), columns = input.length;
    return weights(bias).map((start, row) => {
        let sum = start;
        for (let i = 0, place = row * columns; i < columns; i++) sum += input[i] * matrix[place + i];
        return sum;
    });
}

function mean({ channels }, [input]) {
    const pixels = input.length / channels;
    return Float32Array.from({ length: channels }, (_, channel) =>
        input.subarray(channel * pixels, (channel + 1) * pixels).reduce((sum, value) => sum + value, 0) / pixels);
}

// Calls `visit` for each place of the window that lies in the image: its place in the kernel and in the channel.
function inWindow({ from: [, height, width], kernel: [rows, columns], pads, step }, y, x, visit) {
    for (let row = 0; row < rows; row++) {
        const top = y * step[0] + row - pads[0];
        if (top < 0 || top >= height) continue;
        for (let column = 0; column < columns; column++) {
            const left = x * step[1] + column - pads[1];
            if (left >= 0 && left < width) visit(row * columns + column, top * width + left);
        }
    }
}

const OPERATIONS = {
    Add: binary((a, b) => a + b),
    Mul: binary((a, b) => a * b),
    Gemm: dense,
    MatMul: dense,
    GlobalAveragePool: mean,
    ReduceMean: mean,
    Relu: (_, [input]) => input.map(value => Math.max(0, value)),
    Softmax(_, [input]) {
        const most = Math.max(...input);
        const powers = Array.from(input, value => Math.exp(value - most));
        const sum = powers.reduce((a, b) => a + b);
        return Float32Array.from(powers, power => power / sum);
    },
    Transpose(step, [input]) {
        const result = new Float32Array(input.length);
        walk(step.shape, step.strides, (element, [place]) => result[element] = input[place]);
        return result;
    },
    Pad(step, [input]) {
        const strides = step.padded.map((_, axis) => size(step.padded.slice(axis + 1)));
        const start = step.before.reduce((sum, before, axis) => sum + before * strides[axis], 0);
        const result = new Float32Array(size(step.padded));
        walk(step.shape, [strides], (element, [place]) => result[start + place] = input[element]);
        return result;
    },
    Conv(step, [input], weights) {
        const [channels, height, width] = step.from, [filters, rows, columns] = step.to;
        const kernels = weights(step.weights), bias = weights(step.bias), pixels = step.kernel[0] * step.kernel[1];
        const result = new Float32Array(size(step.to)), sums = new Float64Array(filters);
        for (let y = 0, place = 0; y < rows; y++) {
            for (let x = 0; x < columns; x++, place++) {
                sums.set(bias);
                inWindow(step, y, x, (inKernel, inChannel) => {
                    for (let channel = 0; channel < channels; channel++) {
                        const value = input[channel * height * width + inChannel];
                        if (value === 0) continue; // after a ReLU every other one is
                        for (let filter = 0; filter < filters; filter++) {
                            sums[filter] += value * kernels[(filter * channels + channel) * pixels + inKernel];
                        }
                    }
                });
                for (let filter = 0; filter < filters; filter++) result[filter * rows * columns + place] = sums[filter];
            }
        }
        return result;
    },
    MaxPool(step, [input]) {
        const [channels, height, width] = step.from, [, rows, columns] = step.to;
        const result = new Float32Array(size(step.to)).fill(-Infinity);
        for (let y = 0, place = 0; y < rows; y++) {
            for (let x = 0; x < columns; x++, place++) {
                inWindow(step, y, x, (_, inChannel) => {
                    for (let channel = 0; channel < channels; channel++) {
                        const at = channel * rows * columns + place;
                        result[at] = Math.max(result[at], input[channel * height * width + inChannel]);
                    }
                });
            }
        }
        return result;
    },
};
