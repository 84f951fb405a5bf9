// The page without a server: what mnist_twice/web/answers.py answers, evaluated here.
for (const network of NETWORKS) {
    const bytes = Uint8Array.from(atob(network.weights), letter => letter.charCodeAt(0));
    network.weights = new Float32Array(bytes.buffer);
}

function onDrawing(_, image) {
    const runs = image && NETWORKS.map(network => {
        // Without that of no digit, which --non-digits adds.
        const given = Array.from(probabilitiesOf(network, image)).slice(0, network.classes.length);
        const sum = given.reduce((some, one) => some + one), probabilities = given.map(one => one / sum);
        const most = Math.max(...probabilities);
        const label = network.classes[probabilities.indexOf(most)];
        return { run: network.run, framework: network.framework, label, sure: most >= network.sure, probabilities };
    });
    show({ found: Boolean(image), runs, image, classes: NETWORKS[0].classes });
}
