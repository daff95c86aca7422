"""Child of test_tf_serving: writes the SavedModels that its clients ask.

A process of its own, so that TensorFlow is not imported beside the tests' server code.
Usage: python serving_models.py REPOSITORY

    half     TF1-style: y = x / 2 + 2 by signatures for predict, classify and regress
    keras    exported by Keras 3, two inputs
    strings  strings in; strings, numbers and bytes out, in two signatures
"""

import sys
from pathlib import Path

import keras
import tensorflow as tf

root = Path(sys.argv[1])
tf1 = tf.compat.v1
signatures = tf1.saved_model.signature_def_utils


def write_half() -> None:
    with tf1.Graph().as_default(), tf1.Session() as session:
        half = tf1.get_variable("half", initializer=0.5)
        two = tf1.get_variable("two", initializer=2.0)
        x = tf1.placeholder(tf.float32, [None], "x")
        examples = tf1.placeholder(tf.string, [None], "examples")
        feature = {"x": tf1.FixedLenFeature([1], tf.float32)}
        values = tf1.parse_example(examples, feature)["x"] * half + two
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(values)[0], 1])
        scores = tf.concat([-values, values], 1)
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(root / "half/123"))
        builder.add_meta_graph_and_variables(
            session,
            [tf1.saved_model.tag_constants.SERVING],
            {
                "serving_default": signatures.predict_signature_def(
                    {"x": x}, {"y": x * half + two}
                ),
                "to_classes": signatures.classification_signature_def(examples, classes, scores),
                "to_values": signatures.regression_signature_def(examples, values),
            },
        )
        builder.save()


def write_keras() -> None:
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    total = keras.layers.Add()([left, right])
    dense = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones", name="sum")
    keras.Model({"left": left, "right": right}, dense(total)).export(
        str(root / "keras/1"), verbose=False
    )


class Strings(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def measure(self, text):
        return {"upper": tf.strings.upper(text), "length": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "data_bytes")])
    def echo(self, data_bytes):
        return {"echoed_bytes": tf.identity(data_bytes)}


write_half()
write_keras()
strings = Strings()
tf.saved_model.save(
    strings, str(root / "strings/1"), {"serving_default": strings.measure, "echo": strings.echo}
)
