"""What an explorer can take back: settings that were shown, and steps of boxes, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable

from labkit.view.explorer_settings import Settings, differences

#: Stands for a step of boxes, which know themselves how to go back.
BOXES = "boxes"


class Past:
    """The way back."""

    def __init__(self) -> None:
        self._steps: list[Settings | str] = []
        self._box_steps = 0

    def changed(self, now: Settings) -> list[str]:
        """Say what the last change changed, one line for each setting."""
        last = self._steps[-1] if self._steps else now
        return [last] if isinstance(last, str) else differences(last, now)

    def remember(self, before: Settings) -> None:
        """Keep what was shown before a change."""
        if not self._steps or before != self._steps[-1]:
            self._steps.append(before)

    def count_boxes(self, steps: int) -> None:
        """Hear how many steps of boxes can be taken back now."""
        if steps > self._box_steps:
            self._steps.append(BOXES)
        self._box_steps = steps

    def back(self, boxes: Callable[[], bool], settings: Callable[[Settings], None]) -> bool:
        """Take the last step back; False where there is none.

        ``boxes`` takes back a step of boxes, False where it was saved and stays; ``settings`` shows these again.
        """
        while self._steps:
            last = self._steps[-1]
            if isinstance(last, Settings):
                settings(last)
                self._steps.pop()
                return True
            self._steps.pop()
            if boxes():
                return True
        return False
