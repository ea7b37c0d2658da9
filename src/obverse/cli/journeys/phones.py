"""What journeys of payment codes have in common: a phone in somebody's hand, and who scans its screen."""

from datetime import timedelta

import httpx

from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import check
from obverse.cli.journeys.wallets import WalletMember, apply_for_card, balance_of, charge, links_card
from obverse.cli.journeys.world import Caller, Number, World
from obverse.kit.secret import Secret
from obverse.sandbox.phone import NoCode, Passkey, Phone, Scanner, Screen
from obverse.sandbox.terminal import Receipt, Till


async def sets_up_phone(world: World, member: WalletMember, *, slow: timedelta = timedelta()) -> Phone:
    """Sign in on a phone, which makes a key and registers it (PC-1). `slow` is how wrong its clock is."""
    name = name_of_phone(member)
    client = await world.connect(world.places.rest_url)
    _tell_of(world, client, name)
    phone = Phone(client, name, lambda: world.now() - slow)
    await phone.set_up(member.chosen_id, Secret(member.password))
    return phone


async def adds_passkey(world: World, member: WalletMember, caller: Caller) -> Passkey:
    """Make a passkey on the phone, which asks for a fingerprint from then on (PC-1, PC-5)."""
    passkey = Passkey(origin=world.places.origin)
    path, proof = "/v1/members/me/passkeys", {"current_password": member.password}
    options = await caller.post(f"{path}/options", proof)
    check("options for a passkey", options.status, 200)
    made = {"name": name_of_phone(member), "credential": passkey.create(options.body["public_key"])}
    check("the passkey", (await caller.post(path, made)).status, 201)
    return passkey


async def charged_card(
    world: World, caller: Caller, programme: str, pin: str, amount: int, real_card: LinkedCard | None = None
) -> Number:
    """Apply for a prepaid card with this PIN, link a real card, and charge the one from the other."""
    linked = await links_card(caller, real_card or await world.issue_real_card())
    card = await apply_for_card(caller, programme, pin, name="Everyday")
    await charge(caller, card.card, amount, "card", source=linked)
    check("the balance", await balance_of(caller, card.card), (amount, 0))
    return card


async def scans(
    world: World, till: Till, phone: Phone, amount: int, pin: str | None = None, *, qr: bool = False
) -> Receipt:
    """Hold a phone before a till's scanner, and type a PIN into its pad where there is one (PC-5)."""
    code = read(world, phone.show(), till.shop.name, qr=qr)
    return await till.scan(code, amount, Secret(pin) if pin is not None else None)


def read(world: World, screen: Screen, scanner: str, *, qr: bool = False) -> Secret:
    """The digits as a scanner reads them off the pixels: bars for a laser, a square for a camera (PC-9)."""
    world.tell("A phone", scanner, f"shows a {'QR code' if qr else 'Code 128'} to the scanner")
    return Secret(Scanner().digits(screen.qr_code if qr else screen.barcode))


def shows_code(phone: Phone) -> bool:
    """Whether there is a code to show at this moment."""
    try:
        phone.show()
    except NoCode:
        return False
    return True


def name_of_phone(member: WalletMember) -> str:
    """What its owner calls it."""
    return f"{member.name}'s phone"


def _tell_of(world: World, client: httpx.AsyncClient, name: str) -> None:
    """Tell what a phone asks and how it is answered; never what is in it."""

    async def asked(request: httpx.Request) -> None:
        world.tell(name, "Obverse", f"{request.method} {request.url.path}")

    async def answered(response: httpx.Response) -> None:
        world.tell("Obverse", name, str(response.status_code))

    client.event_hooks = {"request": [asked], "response": [answered]}
