# Layers and fences.  usage: awk -f layers.awk FILE.c FILE.h ...   Exit 1 when an include goes up,
# sideways, outside its fence, or without its path from the root.
# The floors are docs/ARCHITECTURE.md's; a program of its own (cli, agent) lists what it may use.
BEGIN {
	split("base:base suit:suit db:db,base certs:certs,base core:core,db,certs,suit,base " \
	      "api:api,core,db,certs,suit,base " \
	      "server:server,api,core,db,certs,suit,base " \
	      "cli:cli,suit,base agent:agent,suit", floors, " ")
	for (i in floors) {
		split(floors[i], f, ":")
		n = split(f[2], targets, ",")
		for (j = 1; j <= n; j++)
			may[f[1], targets[j]] = 1
		known[f[1]] = 1
	}
	# header prefix, then the files that may include it
	fence["libpq-fe.h"] = "^db/"
	fence["microhttpd.h"] = "^server/http/"
	fence["coap3/"] = "^(server/coap|agent)/"
	fence["jansson.h"] = "^(api/.*json[^/]*|cli/[^/]*|db/row[^/]*)$"
	fence["cbor.h"] = "^api/"
	fence["ini.h"] = "^(base/conf|cli/config)[.]c$"
	fence["curl/"] = "^cli/"
	fence["openssl/"] = "^(certs/|suit/crypto_openssl|base/hash[.]c|server/coap/dtls_|cli/csr[.]c|agent/link_tls[.]c|agent/link_key[.])"
	fence["gnutls/"] = "^server/http/tls[.]c$"
	fence["lzma.h"] = "^cli/delta_encode[.]c$"
	fence["zstd.h"] = "^(cli/delta_encode|suit/codec_zstd)[.]c$"
	fence["divsufsort.h"] = "^cli/delta[.]c$"
	fence["p11-kit/"] = "^suit/keeper_pkcs11"
	fence["gmp.h"] = "^server/http/tls[.]c$"
}
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }
function top(path,  a) { split(path, a, "/"); return a[1] }
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, q, "\"")
	from = top(FILENAME); to = top(q[2])
	if (q[2] == "db/schema.inc")
		next
	if (!(to in known) || q[2] !~ /\//)
		complain("include \"" q[2] "\" by its path from the root")
	else if (!((from, to) in may))
		complain(from "/ may not include " q[2])
	if (FILENAME ~ /^server\/http\// && q[2] ~ /^server\/coap\// || FILENAME ~ /^server\/coap\// && q[2] ~ /^server\/http\//)
		complain("a transport may not include the other")
	if (q[2] ~ /^suit\/keeper_/ && from !~ /^(suit|cli|agent)$/ || from == "suit" && q[2] ~ /^suit\/keeper_/ && FILENAME !~ /^suit\/keeper_/)
		complain("a keeper of keys is for cli/ and agent/ alone; the rest of suit/ and the server do without")
	if (FILENAME ~ /_rules[.][ch]$/ && q[2] ~ /^(db\/|base\/(clock|log)[.]h)/)
		complain("rules are pure: no database, clock or log")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, q, "[<>]")
	for (p in fence)
		if (index(q[2], p) == 1 && FILENAME !~ fence[p])
			complain("<" q[2] "> is fenced: " fence[p])
}
END { exit bad }
