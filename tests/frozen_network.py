"""A network as a user would write one: frozen batch normalisation and dropout, and buffers of several types."""

import torch
from torch import nn


class Network(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(0.5)
        self.tail = nn.Conv2d(channels, 3, 3, padding=1)
        self.register_buffer("scale", torch.tensor(0.5))
        self.register_buffer("used", torch.tensor([True, False, True]))
        self.register_buffer("one", torch.ones(1), persistent=False)
        self.norm.running_mean += torch.rand(channels)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.norm.eval()
        self.dropout.eval()
        return self

    def forward(self, rainy):
        x = self.dropout(self.norm(self.head(rainy)).relu())
        return rainy + self.scale * self.used[0] * self.one * self.tail(x).float()
