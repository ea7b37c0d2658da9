"""Refusals of the codes room."""

from obverse.kit.errors import NotFound, ObverseError


class DeviceNotFound(NotFound):
    """No living device of this member has that id."""

    code = "device_not_found"

    def __init__(self, param: str | None = None) -> None:
        super().__init__("device", param)


class TooManyDevices(ObverseError):
    """The member has as many devices as there may be."""

    code = "too_many_devices"

    def __init__(self, most: int) -> None:
        super().__init__(f"There may be up to {most} devices. Remove one that is not used any more.")


class CardNotPresentable(ObverseError):
    """The card is not active, has expired, or was handed over: codes of it would not pay."""

    code = "card_not_presentable"
    param = "card"

    def __init__(self) -> None:
        super().__init__("The card is not active, has expired, or was handed over.")


class NothingAvailable(ObverseError):
    """Nothing behind the card could pay at this moment (PC-1)."""

    code = "nothing_available"
    param = "card"

    def __init__(self) -> None:
        super().__init__("There is nothing to pay with behind this card at the moment.")


class TooManyCodeBatches(ObverseError):
    """The device has asked for codes too often within a minute."""

    code = "too_many_code_batches"

    def __init__(self) -> None:
        super().__init__("Codes were made for this device too often. Wait a minute.")
