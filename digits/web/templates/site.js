// The page without a server: what digits/web/answers.py answers, evaluated here.
const networks = NETWORKS.map(network => {
    const bytes = Uint8Array.from(atob(network.weights), letter => letter.charCodeAt(0));
    return { ...network, weights: new Float32Array(bytes.buffer) };
});

function element(tag, kind = '', ...parts) {
    const made = document.createElement(tag);
    made.className = kind;
    made.append(...parts);
    return made;
}

function verdict(answers) {
    const words = answers.map(({ name, sure }) => name + (sure ? '' : ' (not sure)'));
    if (answers.length === 1) return `It is a ${words[0]}`;
    if (new Set(answers.map(({ name }) => name)).size === 1) {
        return `They agree: ${words.reduce((a, b) => b.length > a.length ? b : a)}`; // not sure where one of them is not
    }
    const frameworks = networks.map(({ framework }) => framework), apart = new Set(frameworks).size === networks.length;
    return 'They disagree: ' + words.map((word, i) => `${apart ? frameworks[i] : networks[i].run} says ${word}`).join(', ');
}

function bars({ framework, run, classes }, probabilities, best) {
    const made = element('div', '', element('h2', '', framework, ' ', element('small', '', run)));
    classes.forEach((name, i) => {
        const bar = element('div'), percent = `${(100 * probabilities[i]).toFixed(1)}%`;
        bar.style.width = percent;
        const parts = [element('span', '', name), element('div', '', bar), element('span', '', percent)];
        made.append(element('div', i === best ? 'bar first' : 'bar', ...parts));
    });
    return made;
}

function seen(image) {
    const canvas = element('canvas'), context = canvas.getContext('2d');
    canvas.width = canvas.height = SIDE;
    canvas.role = 'img';
    canvas.ariaLabel = 'the digit in 28 by 28 pixels';
    const pixels = context.createImageData(SIDE, SIDE);
    image.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
    context.putImageData(pixels, 0, 0);
    return element('div', 'seen', element('h2', '', `What the network${networks.length > 1 ? 's' : ''} saw`), canvas);
}

function readSheet(canvas) {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return findDigit(new Uint8Array(data.length / 4).map((_, i) => data[4 * i]), canvas.width);
}

function answerTo(image) {
    const answer = document.querySelector('.answer');
    if (!image) return answer.replaceChildren(element('p', 'verdict', 'No digit here yet: draw one, large.'));
    const all = networks.map(network => probabilitiesOf(network, image));
    const best = all.map(own => own.indexOf(Math.max(...own)));
    const answers = networks.map(({ classes, sure }, i) => ({ name: classes[best[i]], sure: all[i][best[i]] >= sure }));
    answer.replaceChildren(
        element('p', 'verdict', verdict(answers)),
        ...networks.map((network, i) => bars(network, all[i], best[i])),
        seen(image),
    );
}

const sheet = document.querySelector('#drawing');
startCanvas(sheet, {}, () => answerTo(readSheet(sheet.querySelector('canvas'))));
answerTo(null);
const names = networks.map(({ run }) => run).join(' and '), verb = networks.length > 1 ? 'are' : 'is';
document.querySelector('#note').textContent = `${names} ${verb} evaluated in this page. What you draw does not leave your device.`;
