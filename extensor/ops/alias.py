"""Rows under a second name, the Array API's: the same objects, listed once in the table."""

from extensor.ops.elementwise import div, mul, neg, sub

divide, multiply, negative, subtract = div, mul, neg, sub
