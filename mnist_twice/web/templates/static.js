// The page without a server: what mnist_twice/web/answers.py answers, evaluated here.
for (const network of NETWORKS) {
    const bytes = Uint8Array.from(atob(network.weights), letter => letter.charCodeAt(0));
    network.weights = new Float32Array(bytes.buffer);
}

function onDrawing(_, image) {
    const runs = image && NETWORKS.map(network => {
        const probabilities = Array.from(probabilitiesOf(network, image)), most = Math.max(...probabilities);
        const digit = network.classes[probabilities.indexOf(most)];
        return { run: network.run, framework: network.framework, digit, sure: most >= network.sure, probabilities };
    });
    show({ found: Boolean(image), runs, image, classes: NETWORKS[0].classes });
}
