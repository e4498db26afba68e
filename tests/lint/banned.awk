# Calls and words that the house does without.  usage: awk -f banned.awk FILE.c ...
# Comments and strings are cut out first, so a rule may be named in one.
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }
FNR == 1 { inside = 0 }
{
	line = $0
	gsub(/\\./, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	gsub(/'[^']*'/, "''", line)
	if (inside) {
		if (!sub(/^.*\*\//, "", line)) next
		inside = 0
	}
	gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, "", line)
	if (sub(/\/\*.*/, "", line)) inside = 1
	if (line ~ /(^|[^A-Za-z0-9_])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|system|popen|alloca|rand|srand|gmtime|localtime|asctime|ctime|tmpnam|mktemp)[ \t]*\(/)
		complain("banned call: " $0)
	if (line ~ /(^|[^A-Za-z0-9_])goto[ \t]/)
		complain("no goto")
	if (line ~ /suit_envelope_decode_untagged/ && FILENAME !~ /^(suit|tests|cli)\//)
		complain("servers and devices take tagged envelopes only")
	if (line ~ /^typedef[ \t]+struct/)
		complain("no typedef for structs")
	if (FILENAME !~ /^(tests|base)\// && line ~ /(^|[^A-Za-z0-9_])(malloc|realloc|strdup)[ \t]*\(/ && FILENAME !~ /^(agent|suit|cli|server\/coap|server\/malloc[.]c)(\/|$)/)
		complain("use an arena or xmalloc: " $0)
}
/(TODO|FIXME|XXX)/ { complain("unfinished: " $0) }
length($0) > 200 && FILENAME !~ /\.def$/ { complain("line over 200 bytes") }
END { exit bad }
