"""How cases come about: letter specs, kinds of values, memory layouts."""
