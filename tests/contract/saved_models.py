"""SavedModels as they come from TF1, from Keras 3, and with signatures of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf


@dataclass(frozen=True)
class Exports:
    """Folders of SavedModels."""

    tf1: Path
    keras: Path
    several: Path


def export_tf1(folder: Path, aside: Path) -> None:
    """A model of `tf.Example` as TF1 saved them: variables, a table from an asset, an init op."""
    v1 = tf.compat.v1
    vocabulary = aside / "classes.txt"
    vocabulary.write_text("small\nlarge\n")
    with v1.Graph().as_default(), v1.Session() as session:
        serialised = v1.placeholder(tf.string, [None], name="examples")
        size = v1.parse_example(serialised, {"size": v1.FixedLenFeature([1], tf.float32)})["size"]
        x = v1.placeholder_with_default(size, [None, 1], name="x")
        weight = v1.get_variable("weight", initializer=[[-1.0, 1.0]])
        scores = tf.matmul(x, weight)
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
                tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            ),
            "?",
        )  # fmt: skip
        classes = tf.tile(table.lookup(tf.constant([[0, 1]], tf.int64)), [tf.shape(x)[0], 1])
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        definitions = v1.saved_model.signature_def_utils
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            [v1.saved_model.tag_constants.SERVING],
            {
                "serving_default": definitions.classification_signature_def(
                    serialised, classes, scores
                ),
                "regress_size": definitions.regression_signature_def(serialised, 2 * size),
                "predict_scores": definitions.predict_signature_def({"x": x}, {"scores": scores}),
            },
            main_op=v1.tables_initializer(),
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
        )
        builder.save()
    vocabulary.unlink()  # only the copy within the SavedModel is left


def export_keras(folder: Path) -> None:
    """A functional model whose inputs nobody named, in an order that is not that of counting."""
    import keras

    second, first = keras.Input((2,)), keras.Input((2,))
    difference = keras.layers.Subtract()([first, second])
    keras.Model([first, second], [difference, keras.layers.Add()([first, second])]).export(
        str(folder), verbose=False
    )


def export_several(folder: Path) -> None:
    """Signatures of every kind: with and without batch, one that writes, one nobody can ask."""
    module = tf.Module()
    module.total = tf.Variable(0.0)
    row = tf.TensorSpec([None, 2], tf.float32, name="x")

    def add(x):
        module.total.assign_add(tf.reduce_sum(x))
        return {"total": tf.reshape(module.total, [1])}

    made = {
        "double": (lambda x: {"y": 2 * x}, row),
        "fixed": (lambda x: {"y": x + 1}, tf.TensorSpec([3], tf.float32, name="x")),
        "learn": (add, row),
        "waves": (lambda x: {"z": tf.complex(x, x)}, row),
    }
    module.made = {
        name: tf.function(made[name][0], input_signature=[made[name][1]]) for name in made
    }
    tf.saved_model.save(module, str(folder), signatures=dict(module.made))


def make_exports(root: Path) -> Exports:
    """All of them, in folders below `root`."""
    made = Exports(root / "tf1", root / "keras", root / "several")
    export_tf1(made.tf1, root)
    export_keras(made.keras)
    export_several(made.several)
    return made
