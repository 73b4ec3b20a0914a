#!/bin/bash
# Readings of DiSK on ResNet10-l → ResNet10-s, judged on validation: results/disk-readings-s/run.sh TEACHER FOLDER
# One student alone of seed 100, of 12 epochs, and from it KD and each reading, 6 epochs of the student.
set -u
teacher=$1 out=$2
common="--data cifar100 --batch-size 200 --optim.lr 0.1 --optim.schedule cosine --augment crop+flip+auto+cutout
  --val 0.1 --seed 100"
[ -e "$out/ce/result.json" ] || sparring train --net resnet10-s $common --epochs 12 --out "$out/ce" --resume || exit
reading() {
  local name=$1; shift
  [ -e "$out/$name/result.json" ] ||
    sparring distill --teacher "$teacher" --student "$out/ce" $common --epochs 6 --cache auto --views 5 --out "$out/$name" --resume "$@"
}
guide="objective.inner=1 objective.first=1 objective.guide=mlp objective.guide_lr=0.001"
at() { echo "objective.lambda_min=$1 objective.lambda_max=$1"; }
reading kd --method kd-disk
reading chosen --method disk-release $guide $(at 50)
reading chosen-1e6 --method disk-release $guide $(at 1e6)
reading paper-k100-50 --method disk $guide objective.k=100 $(at 50)
reading paper-k100-1e6 --method disk $guide objective.k=100 $(at 1e6)
reading paper-k100-course --method disk $guide objective.k=100
reading paper-k100-T4-50 --method disk $guide objective.k=100 objective.T_s=4 $(at 50)
reading chosen-none --method disk-release $guide $(at 1e6) objective.delta=0
