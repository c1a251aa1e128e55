"""Reading the machines of a fleet: inventories, archives, folders of them."""
