#!/bin/sh
# bill.sh: /bom/NAME.cdx.json for every environment under /opt/underway. Only while an image is built.
set -eu
mkdir /bom
for python in /opt/underway/*/bin/python; do
  environment=${python%/bin/python}
  /opt/bom/bin/python -m cyclonedx_py environment --of JSON \
    -o "/bom/${environment##*/}.cdx.json" "$environment"
done
