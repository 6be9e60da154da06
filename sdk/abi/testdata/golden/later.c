/* A plugin for version 2 of the ABI, of which nothing is known but how its marker is called. */
__attribute__((export_name("hearth_abi_v2"))) int version(void) { return 3; }
