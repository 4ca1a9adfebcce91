"""A good text of some length for tests of rules that look for bad ones."""

PARAGRAPHS = (
    "Bread rises because yeast eats sugar and breathes out gas. The gas cannot leave at once: kneading has joined the "
    "proteins of the flour into a net, and every strand of it holds a bubble back until the heat of the oven sets it.",
    "Water decides how open that net becomes. A stiff dough of sixty parts water to a hundred parts flour gives a fine "
    "crumb for sandwiches, while a wet one, with eighty, spreads on the board and bakes into large uneven holes.",
    "Time is the third ingredient. Cold slows yeast far more than it slows the bacteria that make acids, so a night in "
    "the refrigerator gives flavour without letting the loaf collapse. Bakers call this retarding the dough.",
    "Steam matters at the end. While the surface stays moist it can still stretch, which lets the loaf grow during its "
    "first ten minutes in the oven; afterwards the door is opened, the steam escapes and the crust turns brown.",
)
TEXT = "\n\n".join(PARAGRAPHS)
