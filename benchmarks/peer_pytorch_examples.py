"""The network and recipe of pytorch/examples' mnist, written anew: trained for one epoch, the price of its 14.

    python benchmarks/peer_pytorch_examples.py [DATA_DIR]

Two convolutions of 32 and 64 filters, pooling, dropout, a dense layer of 128: 1,199,882 parameters. Adadelta at
learning rate 1, batches of 64, images converted and normalised one by one by torchvision, as its main.py does on a CPU.
Prints JSON: parameters, seconds of the epoch, test accuracy after it.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels in 0..1, as that project writes them


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else "mnist_data"
    torch.manual_seed(1)  # its default
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (DEVIATION,))])
    training, testing = (datasets.MNIST(folder, train=train, transform=prepare) for train in (True, False))
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    )
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    loss_of = nn.CrossEntropyLoss()
    model.train()
    started = time.perf_counter()
    for images, labels in DataLoader(training, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        loss_of(model(images), labels).backward()
        optimizer.step()
    seconds = time.perf_counter() - started

    model.eval()
    with torch.inference_mode():
        batches = DataLoader(testing, batch_size=1000)
        correct = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in batches)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(json.dumps({"parameters": parameters, "seconds": seconds, "accuracy": correct / len(testing)}))


if __name__ == "__main__":
    main()
