"""What the administrator of an emulated device has put in place beside hemostat's list: all else may pass. Knows vendors' words alone."""

from __future__ import annotations

# Typed before hemostat's own lines, which put themselves first.
BEFORE = {
    "hillstone_stoneos": """policy-global
rule id 1
action permit
src-addr Any
dst-addr Any
service Any
exit
rule id 2
action permit
src-addr IPv6-any
dst-addr IPv6-any
service Any
exit
exit
""",
    "paloalto_panos": "".join(
        f"set rulebase security rules outbound {words}\n"
        for words in (
            "from trust",
            "to untrust",
            "source any",
            "destination any",
            "application any",
            "service any",
            "action allow",
        )
    ),
    "vyos": "".join(f"set firewall ipv{version} forward filter default-action accept\n" for version in (4, 6)),
}
# Typed after them, where the first match decides and a new rule is the last.
AFTER = {
    "cisco_asa": "access-list INSIDE_IN extended permit ip any any\naccess-group INSIDE_IN in interface inside\n",
    "fortinet": """config firewall policy
edit 0
set name outbound
set srcintf any
set dstintf any
set srcaddr all
set dstaddr all
set srcaddr6 all
set dstaddr6 all
set action accept
set schedule always
set service ALL
end
""",
    "hp_comware": "".join(
        f"security-policy {family}\nrule name outbound\naction pass\nquit\nquit\n" for family in ("ip", "ipv6")
    ),
    "juniper_junos": "".join(
        f"set security policies from-zone trust to-zone untrust policy outbound {words}\n"
        for words in (
            "match source-address any",
            "match destination-address any",
            "match application any",
            "then permit",
        )
    ),
}
