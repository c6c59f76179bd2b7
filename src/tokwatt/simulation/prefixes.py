"""Blocks of finished requests that later ones of the same prefix use again."""

from collections import OrderedDict


class PrefixCache:
    """Free blocks that still hold the tokens of a conversation, the least recently used first.

    Args:
        size: tokens of a block.

    Attributes:
        held: blocks that it holds; they are free, and given away as soon as they are wanted.
    """

    def __init__(self, size: int) -> None:
        self.size, self.held = size, 0
        self._blocks: OrderedDict[int, int] = OrderedDict()

    def keep(self, prefix: int, tokens: int) -> None:
        """A request ended that held so many tokens; only whole blocks can be found again."""
        before = self._blocks.pop(prefix, 0)
        self._blocks[prefix] = max(before, tokens // self.size)
        self.held += self._blocks[prefix] - before

    def take(self, prefix: int, tokens: int) -> int:
        """Tokens at the beginning of a prompt that are found; its blocks are in use from now on."""
        blocks = self._blocks.pop(prefix, 0)
        self.held -= blocks
        return min(blocks, tokens // self.size) * self.size

    def shrink(self, blocks: int) -> None:
        """Give blocks away, the last ones of the oldest prefix first."""
        while blocks > 0 and self._blocks:
            prefix, count = next(iter(self._blocks.items()))
            gone = min(blocks, count)
            self.held -= gone
            blocks -= gone
            if gone == count:
                del self._blocks[prefix]
            else:
                self._blocks[prefix] = count - gone
