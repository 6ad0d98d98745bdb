/* The logic of the device type. */

#include "orbit.h"

#include <stdio.h>
#include <string.h>

#define ORBIT_VENDOR 0xf00d
#define PROCESSING_ACCELERATOR 0x12
#define TOO_HOT 95

int orbit_is_card(uint16_t vendor, uint32_t class_code)
{
	return vendor == ORBIT_VENDOR && class_code >> 16 == PROCESSING_ACCELERATOR;
}

int orbit_parse_report(const char *text, size_t length, struct orbit_card *card)
{
	struct orbit_card parsed;
	char line[128];
	int end = 0;

	if (length >= sizeof(line) || memchr(text, 0, length))
		return -1;
	memcpy(line, text, length);
	line[length] = 0;
	if (sscanf(line, "orbit%6u cores=%6u temp=%6d%n", &parsed.number, &parsed.cores, &parsed.temperature, &end) != 3 ||
	    line[end])
		return -1;
	*card = parsed;
	return 0;
}

const char *orbit_problem(const struct orbit_card *card)
{
	if (card->cores == 0)
		return "the card reports no working core";
	if (card->temperature > TOO_HOT)
		return "the card is too hot";
	return NULL;
}
