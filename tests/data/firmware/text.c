/* Texts: a small printf, numbers, and what the lock says in four languages. */

#include "lock.h"

#include <stdarg.h>

static void write_byte(struct writer *w, char c)
{
	if (w->n + 1 < w->size) {
		w->p[w->n] = c;
		w->p[w->n + 1] = '\0';
	}
	w->n++;
}

void write_text(struct writer *w, const char *text)
{
	while (*text)
		write_byte(w, *text++);
}

static void write_number(struct writer *w, uint32_t v, unsigned base, unsigned width, char pad)
{
	char digits[32];
	unsigned n = 0;
	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (; width > n; width--)
		write_byte(w, pad);
	while (n--)
		write_byte(w, digits[n]);
}

static void write_signed(struct writer *w, int32_t v, unsigned width, char pad)
{
	if (v < 0) {
		write_byte(w, '-');
		width -= width > 0;
	}
	write_number(w, v < 0 ? (uint32_t)-v : (uint32_t)v, 10, width, pad);
}

static void write_argument(struct writer *w, char kind, unsigned width, char pad, va_list *ap)
{
	switch (kind) {
	case 's':
		write_text(w, va_arg(*ap, const char *));
		break;
	case 'd':
		write_signed(w, va_arg(*ap, int), width, pad);
		break;
	case 'u':
		write_number(w, va_arg(*ap, unsigned), 10, width, pad);
		break;
	case 'x':
		write_number(w, va_arg(*ap, unsigned), 16, width, pad);
		break;
	case 'c':
		write_byte(w, (char)va_arg(*ap, int));
		break;
	default:
		write_byte(w, kind);
	}
}

static void write_vformat(struct writer *w, const char *f, va_list *ap)
{
	for (; *f; f++) {
		if (*f != '%') {
			write_byte(w, *f);
			continue;
		}
		unsigned width = 0;
		char pad = f[1] == '0' ? '0' : ' ';
		for (f++; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (unsigned)(*f - '0');
		while (*f == 'l')
			f++;
		write_argument(w, *f, width, pad, ap);
	}
}

void write_format(struct writer *w, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	write_vformat(w, format, &ap);
	va_end(ap);
}

void shell_print(const char *format, ...)
{
	char line[160];
	struct writer w = { line, sizeof(line), 0 };
	va_list ap;
	va_start(ap, format);
	write_vformat(&w, format, &ap);
	va_end(ap);
	for (const char *p = line; *p; p++) {
		while (!(REG(0x40011000) & 0x80))
			;
		REG(0x40011004) = (uint8_t)*p;
	}
}

bool read_number(const char *text, int32_t *ret)
{
	bool negative = *text == '-';
	int32_t v = 0;
	text += negative;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || v > 200000000)
			return false;
		v = v * 10 + (*text - '0');
	}
	*ret = negative ? -v : v;
	return true;
}

static const char *const messages[LANGUAGES][MESSAGES] = {
	[ENGLISH] = {
		"Welcome home", "The door is locked", "The door is open to you",
		"The bolt is jammed. Pull the door towards you and try again",
		"Batteries are low. Please change them within two weeks",
		"Batteries are empty. The door stays as it is",
		"Enter your code", "That code is not known here",
		"Too many wrong codes. Wait for a minute", "The door has been open for long",
		"The door was forced", "An update begins. The lock stays usable",
		"The update is done", "The update failed and will be tried again",
		"There is no network", "Hold your telephone near the lock",
		"The telephone is known now", "Service mode", "Temperature inside",
		"Goodbye",
#if RELEASE >= 2
		"Welcome, guest", "Your stay ends today", "Holiday mode is on",
		"It is too cold for the motor. Use the key",
#endif
	},
	[GERMAN] = {
		"Willkommen zu Hause", "Die Tuer ist verriegelt", "Die Tuer ist offen",
		"Der Riegel klemmt. Ziehen Sie die Tuer an und versuchen Sie es noch einmal",
		"Die Batterien sind schwach. Bitte in den naechsten zwei Wochen wechseln",
		"Die Batterien sind leer. Die Tuer bleibt, wie sie ist",
		"Bitte Code eingeben", "Dieser Code ist hier nicht bekannt",
		"Zu viele falsche Codes. Bitte eine Minute warten",
		"Die Tuer steht schon lange offen", "Die Tuer wurde aufgebrochen",
		"Eine Aktualisierung beginnt. Das Schloss bleibt benutzbar",
		"Die Aktualisierung ist fertig",
		"Die Aktualisierung ist misslungen und wird wiederholt",
		"Kein Netz", "Halten Sie Ihr Telefon an das Schloss",
		"Das Telefon ist jetzt bekannt", "Wartung", "Temperatur innen",
		"Auf Wiedersehen",
#if RELEASE >= 2
		"Willkommen, Gast", "Ihr Aufenthalt endet heute", "Urlaub ist eingestellt",
		"Es ist zu kalt fuer den Motor. Nehmen Sie den Schluessel",
#endif
	},
	[FRENCH] = {
		"Bienvenue chez vous", "La porte est verrouillee", "La porte est ouverte",
		"Le pene est bloque. Tirez la porte vers vous et recommencez",
		"Les piles sont faibles. Veuillez les changer sous deux semaines",
		"Les piles sont vides. La porte reste comme elle est",
		"Entrez votre code", "Ce code n'est pas connu ici",
		"Trop de codes faux. Attendez une minute",
		"La porte est ouverte depuis longtemps", "La porte a ete forcee",
		"Une mise a jour commence. La serrure reste utilisable",
		"La mise a jour est terminee",
		"La mise a jour a echoue et sera recommencee",
		"Il n'y a pas de reseau", "Tenez votre telephone pres de la serrure",
		"Le telephone est maintenant connu", "Mode de service",
		"Temperature interieure", "Au revoir",
#if RELEASE >= 2
		"Bienvenue, cher hote", "Votre sejour se termine aujourd'hui",
		"Mode vacances active",
		"Il fait trop froid pour le moteur. Utilisez la cle",
#endif
	},
	[SPANISH] = {
		"Bienvenido a casa", "La puerta esta cerrada", "La puerta esta abierta",
		"El cerrojo esta atascado. Tire de la puerta e intente de nuevo",
		"Las pilas estan bajas. Cambielas en dos semanas",
		"Las pilas estan agotadas. La puerta queda como esta",
		"Introduzca su codigo", "Ese codigo no se conoce aqui",
		"Demasiados codigos erroneos. Espere un minuto",
		"La puerta lleva mucho tiempo abierta", "La puerta fue forzada",
		"Comienza una actualizacion. La cerradura sigue en uso",
		"La actualizacion ha terminado",
		"La actualizacion ha fallado y se repetira",
		"No hay red", "Acerque su telefono a la cerradura",
		"El telefono ya es conocido", "Modo de servicio",
		"Temperatura interior", "Hasta luego",
#if RELEASE >= 2
		"Bienvenido, huesped", "Su estancia termina hoy", "Modo vacaciones activado",
		"Hace demasiado frio para el motor. Use la llave",
#endif
	},
};

const char *message_text(enum language l, enum message m)
{
	if ((unsigned)l >= LANGUAGES || (unsigned)m >= MESSAGES)
		return "";
	return messages[l][m];
}
