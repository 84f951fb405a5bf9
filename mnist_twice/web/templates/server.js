// What the page asks the server: how the networks read a drawing, a photo, or the webcam's image.
const waiting = new Map(); // by address: what is sent there next; older drawings and images of the webcam are left out
const FRAME = 500; // milliseconds between two images of the webcam
let sending = false, current = ''; // the address whose answer is shown

async function ask(address, body) {
    waiting.set(address, body);
    if (sending) return;
    sending = true;
    while (waiting.size) {
        const [[next, content]] = waiting;
        waiting.delete(next);
        const answer = await answerTo(next, content);
        if (next === current && !waiting.has(next)) show(answer);
    }
    sending = false;
}

async function answerTo(address, body) {
    try {
        return await (await fetch(address, { method: 'POST', body })).json();
    } catch {
        return { error: 'the server cannot be reached; it may have stopped.' };
    }
}

// The drawing's name is random, so that nobody else can change it on the wall. Without a name it was cleared.
function onDrawing(name, image) {
    const address = current = name && `drawing?mark=${name}`;
    if (name) ask(address, image ?? '');
    else show({ found: false });
}

// --- a photo: chosen, taken, dropped or pasted ---

function readPhoto(file) {
    if (!file) return;
    openPart('photo');
    current = 'predict';
    const image = part('#photo img');
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    image.hidden = false;
    image.alt = file.name;
    image.onerror = () => image.hidden = true; // HEIC, which many browsers cannot show
    ask('predict', file);
}

for (const input of document.querySelectorAll('#photo input')) {
    input.onchange = () => {
        readPhoto(input.files[0]);
        input.value = ''; // the same file may be chosen again
    };
}
document.addEventListener('paste', event => readPhoto(event.clipboardData.files[0]));
document.addEventListener('dragover', event => event.preventDefault());
document.addEventListener('drop', event => {
    event.preventDefault();
    readPhoto(event.dataTransfer.files[0]);
});

// --- the webcam ---

const video = part('video'), hint = part('#webcam .hint');
const REASONS = {
    NotAllowedError: 'The browser does not let this page use the camera; allow it in its settings for this page.',
    NotFoundError: 'There is no camera.',
    NotReadableError: 'The camera is in use by another program.',
};

async function startWebcam() {
    hint.textContent = 'Hold a digit to the camera.';
    try {
        if (!navigator.mediaDevices) {
            throw new Error('Browsers allow the camera only on pages at 127.0.0.1, localhost or an HTTPS address.');
        }
        video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    } catch (error) {
        hint.textContent = REASONS[error.name] ?? error.message;
    }
    if (part('#webcam').hidden) stopWebcam(); // left while the browser was asking
    else if (video.srcObject) {
        current = 'predict';
        sendFrame(video.srcObject);
    }
}

function stopWebcam() {
    video.srcObject?.getTracks().forEach(track => track.stop());
    video.srcObject = null;
}

function sendFrame(stream) {
    if (video.srcObject !== stream) return;
    const frame = element('canvas');
    [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
    if (frame.width) {
        frame.getContext('2d').drawImage(video, 0, 0);
        frame.toBlob(jpeg => video.srcObject === stream && ask('predict', jpeg), 'image/jpeg');
    }
    setTimeout(sendFrame, FRAME, stream);
}

// --- which of the three is open ---

const tabs = document.querySelectorAll('[role=tab]');

function openPart(name) {
    if (!part(`#${name}`).hidden) return;
    for (const tab of tabs) {
        const own = tab.getAttribute('aria-controls');
        tab.ariaSelected = own === name;
        part(`#${own}`).hidden = own !== name;
    }
    current = '';
    show({ found: false });
    stopWebcam();
    if (name === 'webcam') startWebcam();
    if (name === 'drawing') send();
}

for (const tab of tabs) tab.onclick = () => openPart(tab.getAttribute('aria-controls'));
