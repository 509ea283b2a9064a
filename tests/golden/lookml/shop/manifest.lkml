# Written by `catchwater lookml` from models/: change the models, not this file.

project_name: shop
