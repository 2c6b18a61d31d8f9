"""Networks in TensorFlow Lite's format, run on the CPU by LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np


class LiteRtNetwork:
    """One network with one float32 input and a batch of one.

    Not safe for use by two threads at once: the tensors belong to the interpreter.

    Attributes:
        input_shape: Shape that ``__call__`` takes.
        output_shapes: Shapes that it returns, in the file's order.
    """

    def __init__(self, path: Path | str, *, num_threads: int = 1) -> None:
        if num_threads < 1:
            raise ValueError(f'num_threads is {num_threads}, must be at least 1')
        # Imported late: the rest of the package works where LiteRT has no wheel.
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(str(path), num_threads=num_threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f'{path} is not a network that LiteRT can run: {error}') from error
        inputs = interpreter.get_input_details()
        if len(inputs) != 1 or inputs[0]['dtype'] != np.float32:
            found = [(item['name'], np.dtype(item['dtype']).name) for item in inputs]
            raise ValueError(f'{path} has the inputs {found}, must have one of float32')
        outputs = interpreter.get_output_details()
        self._interpreter = interpreter
        self._input = inputs[0]['index']
        self._outputs = [item['index'] for item in outputs]
        self.input_shape = tuple(int(n) for n in inputs[0]['shape'])
        self.output_shapes = tuple(tuple(int(n) for n in item['shape']) for item in outputs)

    def require(
        self, input_shape: tuple[int, ...], output_shapes: tuple[tuple[int, ...], ...]
    ) -> None:
        """Raise a ``ValueError`` unless the network has exactly these shapes."""
        found = (self.input_shape, self.output_shapes)
        if found != (input_shape, output_shapes):
            raise ValueError(
                f'network maps {found[0]} to {found[1]}, must map {input_shape} to {output_shapes}'
            )

    def __call__(self, tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run the network once.

        Args:
            tensor: float32 array of ``input_shape``.

        Returns:
            Copies of all outputs, in the file's order.

        Raises:
            ValueError: Wrong shape or type.
        """
        if tensor.shape != self.input_shape or tensor.dtype != np.float32:
            raise ValueError(
                f'input is {tensor.dtype} {tensor.shape}, must be float32 {self.input_shape}'
            )
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(index) for index in self._outputs)
