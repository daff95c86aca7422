"""Writes `tf_serving_warmup_requests` with TensorFlow Serving's own classes: what tests then read.

`python record_requests.py FILE` needs the package tensorflow-serving-api, and nothing of ours. The
requests are for the TF1 export of test_savedmodel_signatures.py.
"""

import sys

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2 as log


def example(**features):
    """A tf.Example of floats."""
    made = tf.train.Example()
    for name, value in features.items():
        made.features.feature[name].float_list.value.append(value)
    return made


def predict():
    """Two rows, and an output filter, which is of no concern here."""
    logged = log.PredictionLog()
    request = logged.predict_log.request
    request.model_spec.name = "sizes"
    request.model_spec.version.value = 7
    request.model_spec.signature_name = "predict_scores"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[3.0], [5.0]]))
    request.output_filter.append("scores")
    logged.predict_log.response.outputs["scores"].CopyFrom(tf.make_tensor_proto([[1.0]]))
    logged.log_metadata.model_spec.name = "sizes"
    return logged


def classify():
    """Two examples, for the default signature."""
    logged = log.PredictionLog()
    examples = logged.classify_log.request.input.example_list.examples
    examples.extend([example(size=1), example(size=2)])
    return logged


def regress():
    """What both have, the example says."""
    logged = log.PredictionLog()
    request = logged.regress_log.request
    request.model_spec.signature_name = "regress_size"
    request.input.example_list_with_context.context.CopyFrom(example(size=9, colour=4))
    request.input.example_list_with_context.examples.extend([example(size=8), example()])
    return logged


def multi_inference():
    """The same examples for two signatures."""
    logged = log.PredictionLog()
    request = logged.multi_inference_log.request
    for name, method in (("serving_default", "classify"), ("regress_size", "regress")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.signature_name = name
    request.input.example_list.examples.append(example(size=4))
    return logged


def session_run():
    """A kind that is not run."""
    logged = log.PredictionLog()
    logged.session_run_log.request.fetch.append("scores")
    return logged


if __name__ == "__main__":
    with tf.io.TFRecordWriter(sys.argv[1]) as writer:
        for made in (predict(), classify(), regress(), multi_inference(), session_run()):
            writer.write(made.SerializeToString(deterministic=True))
