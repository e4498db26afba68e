#!/bin/sh
# Builds the Debian package from what `make` built: deploy/deb.sh BUILD VERSION.
# Dependencies on libraries are computed, not listed by hand.
set -eu
build=$1
version=$2
arch=$(dpkg --print-architecture)
stage=$build/deb/muster
rm -rf "$build/deb"
mkdir -p "$stage/DEBIAN" "$build/deb/debian"
make -s install BUILD="$build" DESTDIR="$stage" PREFIX=/usr
strip --strip-unneeded "$stage"/usr/sbin/* "$stage"/usr/bin/*
for f in README.md CHANGELOG.md; do install -D -m 644 "$f" "$stage/usr/share/doc/muster/$f"; done
install -D -m 644 LICENSE "$stage/usr/share/doc/muster/copyright"
printf '/etc/muster/musterd.conf\n' > "$stage/DEBIAN/conffiles"
install -m 755 deploy/debian/postinst "$stage/DEBIAN/postinst"
install -m 755 deploy/debian/prerm "$stage/DEBIAN/prerm"
printf 'Source: muster\nPackage: muster\nArchitecture: any\nDescription: x\n' > "$build/deb/debian/control"
libs=$(cd "$build/deb" && dpkg-shlibdeps -O --ignore-missing-info muster/usr/sbin/* muster/usr/bin/* 2>/dev/null |
	sed -n 's/^shlibs:Depends=//p')
size=$(du -sk "$stage/usr" | cut -f1)
sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/; s/@LIBS@/$libs/" deploy/debian/control.in > "$stage/DEBIAN/control"
out=$build/muster_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$stage" "$out" >/dev/null
echo "$out"
