"""Functions of the Array API standard that are made of rows of the op table.

A row computes on operands that fit; these take what the standard allows (lists of tensors, axes
left out, numbers), name what does not fit, and apply rows. So their gradients, and the gradients
of those, are the rows' own. `extensor` has all of them.
"""
