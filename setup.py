"""Installs the library and the command lines, which need no ROS; CMakeLists.txt is what colcon builds."""

from pathlib import Path

from setuptools import find_packages, setup

PHOTOGRAPHS = ['scikit-image', 'scikit-learn']  # their sample pictures are textures of synthetic clips

DOCUMENTATION = ['furo', 'myst-parser', 'sphinx']

setup(
    name='sam2_ros',
    version='0.1.0',
    description='Streaming SAM 2.1 video tracking with a distractor-aware memory',
    long_description=Path('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['sam2_ros', 'sam2_ros.*']),
    package_data={'sam2_ros': ['weights/*', 'web/page/*']},
    data_files=[('share/sam2_ros/config', ['config/train.yaml', 'config/train_cutouts.yaml', 'config/train_gpu.yaml'])],
    install_requires=['PyYAML', 'numpy', 'opencv-python', 'safetensors', 'torch>=2.10', 'tqdm'],
    extras_require={
        'bags': ['rosbags'],
        'cluster': ['ray'],
        'docs': DOCUMENTATION,
        'dev': [
            *('aiohttp', 'hypothesis', 'mypy', 'pillow', 'pycocotools', 'pytest', 'pytest-xdist', 'ruff', 'sam2'),
            *('scipy', 'selenium'),
            *PHOTOGRAPHS,
        ],
        'page': ['aiohttp'],
        'train': PHOTOGRAPHS,
        'vot': ['vot-trax'],
    },
    entry_points={
        'console_scripts': [
            'sam2-track-video = sam2_ros.tools.track_video:main',
            'sam2-download-weights = sam2_ros.tools.download_weights:main',
            'sam2-bench = sam2_ros.tools.bench:main',
            'sam2-train = sam2_ros.training.train:main',
        ],
    },
)
