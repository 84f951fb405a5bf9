// Shows an answer, the JSON of /predict: what each network says, its bars, and the 28x28 image that the networks saw.
const EMPTY = part('#answer').textContent;
const FRAMEWORKS = { pytorch: 'PyTorch', tensorflow: 'TensorFlow' };

function show(answer) {
    const verdict = answer.error ? `No answer: ${answer.error}` : answer.found ? verdictOf(answer.runs)
        : answer.box === null ? 'No digit found.' : EMPTY; // a photo has a box or none, a drawing neither
    const parts = answer.found ? [...answer.runs.map(run => bars(run, answer.classes)), seen(answer)] : [];
    part('#answer').replaceChildren(element('p', 'verdict', verdict), ...parts);
}

function verdictOf(runs) {
    const said = runs.map(({ label, sure }) => label + (sure ? '' : ' (not sure)'));
    if (said.length === 1) return `It is a ${said[0]}`;
    if (runs.every(({ label }) => label === runs[0].label)) {
        return `They agree: ${said.reduce((a, b) => b.length > a.length ? b : a)}`; // not sure where one of them is not
    }
    const apart = new Set(runs.map(({ framework }) => framework)).size === runs.length;
    return 'They disagree: ' + runs.map((run, i) => `${apart ? frameworkOf(run) : run.run} says ${said[i]}`).join(', ');
}

const frameworkOf = ({ framework }) => FRAMEWORKS[framework] ?? framework;

function bars(run, classes) {
    const best = run.probabilities.indexOf(Math.max(...run.probabilities));
    const rows = classes.map((name, i) => {
        const bar = element('div'), percent = `${(100 * run.probabilities[i]).toFixed(1)}%`;
        bar.style.width = percent;
        const kind = i === best ? 'bar first' : 'bar';
        return element('div', kind, element('span', '', name), element('div', '', bar), element('span', '', percent));
    });
    return element('div', '', element('h2', '', frameworkOf(run), ' ', element('small', '', run.run)), ...rows);
}

function seen({ image, runs }) {
    const canvas = element('canvas'), context = canvas.getContext('2d');
    canvas.width = canvas.height = 28;
    canvas.role = 'img';
    canvas.ariaLabel = 'the digit in 28 by 28 pixels';
    const pixels = context.createImageData(28, 28);
    image.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
    context.putImageData(pixels, 0, 0);
    return element('div', 'seen', element('h2', '', `What the network${runs.length > 1 ? 's' : ''} saw`), canvas);
}
