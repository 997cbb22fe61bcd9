"""Train a decoder D for an array A: the loss drives D A towards the identity.

Run it with `python examples/train_audio_diffusion.py [FOLDER] [EPOCHS]`: FOLDER holds speech, one folder a speaker (a missing or
empty one is filled with the voices of the package), EPOCHS are 100 if not given. The weights are written to audio-diffusion.pt.
"""

import sys

import torch
from torch import nn, optim
from torch.utils.data import DataLoader

from arrayscene import AudioDiffusionDataset, AudioDiffusionNet


def main(root: str = "data", num_epochs: int = 100) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # The tensors are too small to share: on a busy machine two threads took 5 times as long.
    torch.set_num_threads(1)

    train_dataset = AudioDiffusionDataset(root=root, train=True)
    train_loader = DataLoader(train_dataset, batch_size=64, shuffle=True)
    model = AudioDiffusionNet().to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.001)

    for epoch in range(num_epochs):
        for i, (audio, _) in enumerate(train_loader):
            audio = audio.to(device)
            output = model(audio)
            loss = criterion(output, audio)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if (i + 1) % 100 == 0:
                print(
                    f"Epoch [{epoch + 1}/{num_epochs}], Step [{i + 1}/{len(train_loader)}], Loss: {loss.item():.4f}", flush=True
                )

    test_loader = DataLoader(AudioDiffusionDataset(root=root, train=False), batch_size=64)
    for name, network in (("before training (Tikhonov's inverse)", AudioDiffusionNet().to(device)), ("after training", model)):
        with torch.no_grad():
            errors = [criterion(network(audio.to(device)), audio.to(device)).item() for audio, _ in test_loader]
        print(f"Test loss {name}: {sum(errors) / len(errors):.4f}")
    torch.save(model.state_dict(), "audio-diffusion.pt")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
