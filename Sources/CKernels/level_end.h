#undef LEVEL
#undef TARGET
#undef LANES
#undef ROWS
#undef COLUMNS
#undef PANEL_PRODUCT
#undef PANEL_PRODUCTS
#undef PANEL_PAIR
