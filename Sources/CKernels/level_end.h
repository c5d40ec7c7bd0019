#undef LEVEL
#undef TARGET
#undef REGISTER
#undef HEIGHT
#undef PANEL
#undef PANEL_PRODUCT
#undef PANEL_PRODUCTS
#undef PANEL_PAIR
