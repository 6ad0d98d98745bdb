/* The logic of the device type, without any input or output: the shim reads the node. */

#ifndef ORBIT_H
#define ORBIT_H

#include <stddef.h>
#include <stdint.h>

/* What a card reports about itself. */
struct orbit_card {
	uint32_t number; /* of its device node, /dev/orbit<number> */
	uint32_t cores;
	int32_t temperature; /* in degrees Celsius */
};

/* Whether a PCI function is a card. */
int orbit_is_card(uint16_t vendor, uint32_t class_code);

/* Reads the attribute `orbit/report`, which need not end with a zero byte. Returns 0, or -1 for a text of another form;
 * then *card is unchanged. */
int orbit_parse_report(const char *text, size_t length, struct orbit_card *card);

/* Why no new pod may get the card: a static text, or NULL for a healthy one. */
const char *orbit_problem(const struct orbit_card *card);

#endif
