"""One HTML page about the people of the tables that `mien analyze` wrote.

`tables` reads them in parts, `rows` turns a part into arrays, `collect` keeps what the page needs
of each person (`strip`: the expressions over time). `timelines` and `charts` are the figures,
`pieces` and `page` the HTML, `key_frames` the pictures.
"""
