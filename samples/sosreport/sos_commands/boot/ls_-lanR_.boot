/boot:
total 9420
drwxr-xr-x  2 0 0    4096 Jun  4  2019 .
drwxr-xr-x 18 0 0    4096 Jun  4  2019 ..
-rw-------  1 0 0 1032939 Jun  4  2019 initramfs-5.0.0kdump.img
-rw-r--r--  1 0 0 1970176 Jun  4  2019 vmlinuz-5.0.0
