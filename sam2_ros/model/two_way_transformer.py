"""Two-way transformer of the mask decoder: tokens and image attend to each other (SAM section 3, appendix A)."""

from __future__ import annotations

from torch import Tensor, nn

from sam2_ros.model.layers import MLP, Attention

DEPTH = 2
NUM_HEADS = 8
MLP_DIM = 2048


class TwoWayBlock(nn.Module):
    """Token self-attention, tokens to image, MLP, image to tokens; a layer norm follows each."""

    def __init__(self, channels: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(channels, NUM_HEADS)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = Attention(channels, NUM_HEADS, internal_dim=channels // 2)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, MLP_DIM, channels, 2)
        self.norm3 = nn.LayerNorm(channels)
        self.norm4 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = Attention(channels, NUM_HEADS, internal_dim=channels // 2)

    def forward(self, tokens: Tensor, image: Tensor, token_pos: Tensor, image_pos: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:  # in the first block the attention replaces the tokens and adds no position
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + token_pos
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        image_key = image + image_pos
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pos, image_key, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(image_key, tokens + token_pos, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Tokens and image features that attend to each other.

    Image (N, C, h, w), its position code (1, C, h, w) and tokens (N, L, C) -> tokens (N, L, C), image (N, hw, C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(channels, first=index == 0) for index in range(DEPTH))
        self.final_attn_token_to_image = Attention(channels, NUM_HEADS, internal_dim=channels // 2)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(self, image: Tensor, image_pos: Tensor, prompt_tokens: Tensor) -> tuple[Tensor, Tensor]:
        image = image.flatten(2).transpose(1, 2)
        image_pos = image_pos.flatten(2).transpose(1, 2)
        tokens = prompt_tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt_tokens, image_pos)
        attended = self.final_attn_token_to_image(tokens + prompt_tokens, image + image_pos, image)
        return self.norm_final_attn(tokens + attended), image
