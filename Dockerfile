# Everything in one image, on the CPU:
#
#     docker build -t latent-agent-zoo .
#     docker run --rm latent-agent-zoo                                   # what launch.doctor says of it
#     docker run --rm -it -v zoo-runs:/zoo/runs latent-agent-zoo python -m launch.demo
#
# Runs lie in /zoo/runs: in the volume zoo-runs above; in a folder of yours with
# `--user "$(id -u):$(id -g)" -v "$PWD/runs:/zoo/runs"`.
FROM python:3.11-slim

# EGL with Mesa's software drawing, for the pictures of dm_control.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /zoo
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY agents agents
COPY layers layers
COPY estimators estimators
COPY envs envs
COPY launch launch
COPY scores scores
COPY examples examples
RUN pip install --no-cache-dir -c constraints.txt -e '.[all]' \
    && pip install --no-cache-dir --no-deps -c constraints.txt tf-agents

# The home lies in the volume too: what Keras downloads is kept with the runs.
RUN useradd --home-dir /zoo/runs --no-create-home zoo && install --directory --owner=zoo --mode=0777 runs
USER zoo
ENV HOME=/zoo/runs PYTHONUNBUFFERED=1
VOLUME /zoo/runs

CMD ["python", "-m", "launch.doctor"]
