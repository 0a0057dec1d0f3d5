#!/bin/sh
# Makes the references of `golden.rs` with ImageMagick 6.9 (Debian `imagemagick`), beside this script.
set -eu
cd "$(dirname "$0")"
im=${IM:-convert-im6.q16}
fixtures=../fixtures
png="-strip -define png:compression-level=9 -define png:exclude-chunks=date"
from() { out=$1; shift; $im source.png "$@" $png "$out"; }

$im "$fixtures/cat.tiff" -strip -resize 112x -depth 8 +profile '*' $png PNG24:source.png

# Tasks.
from clip.png -filter Lanczos -resize 60x60
from scale.png -filter Lanczos -resize '50x60!'
from crop-fit.png -filter Lanczos -resize '50x50^' -gravity Center -extent 50x50
from crop.png -crop 60x40+20+10 +repage
from flip.png -flip
from flop.png -flop
from quarter.png -rotate 90
from blur.png -blur 0x2
from sharpen.png -unsharp 0x2+1+0
from negative.png -negate
from monochrome.png -colorspace Gray
from border.png -bordercolor '#336699' -border 7
from modulate.png -set option:modulate:colorspace HSL -modulate 120,60,100

# Formats: the file that is read.
from photo.jpg -quality 92 -sampling-factor 1x1
for sampling in 2x1 1x2 2x2 4x1; do from "photo-$sampling.jpg" -quality 92 -sampling-factor $sampling; done
from progressive.jpg -quality 92 -interlace JPEG
from photo.webp -quality 92
from lossless.webp -define webp:lossless=true
from photo.tiff -compress Zip
from photo.bmp
from palette.gif -colors 64
$im source.png -depth 16 PNG48:deep.png
