"""Types of the columns of a log, which pydantic checks strictly; the description of a type goes into messages."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import Field

from trainers.values import row_type

Text = Annotated[str, Field(description="a text")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$", description="the name of a folder")]
Flag = Annotated[bool, Field(description="true or false")]
Count = Annotated[int, Field(ge=0, lt=2**63, description="a whole number of 0 or more")]
PositiveCount = Annotated[int, Field(ge=1, lt=2**63, description="a whole number of 1 or more")]
Number = Annotated[float, Field(ge=0, lt=1e300, allow_inf_nan=False, description="a number of 0 or more")]
Positive = Annotated[float, Field(gt=0, lt=1e300, allow_inf_nan=False, description="a number above 0")]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, description="a number from 0 to 100")]
Time = Annotated[
    float, Field(ge=0, lt=253402300800, allow_inf_nan=False, description="seconds since 1970, before the year 10000")
]
PLAIN: Mapping[type, Any] = {str: Text, int: Count, float: Number, bool: Flag}


def columns_of(cls: type) -> dict[str, Any]:
    """Return the column type of each field of a dataclass, by name."""
    return {field.name: PLAIN[row_type(cls, field.name)] for field in fields(cls)}
