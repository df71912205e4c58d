from meshgait.body.skeleton import JOINT_FLIP, JOINT_NAMES, PARENTS


def test_flip_is_an_involution_that_keeps_the_tree():
    assert [JOINT_FLIP[JOINT_FLIP[j]] for j in range(24)] == list(range(24))
    assert all(PARENTS[JOINT_FLIP[j]] == JOINT_FLIP[PARENTS[j]] for j in range(1, 24))
    assert JOINT_NAMES[JOINT_FLIP[JOINT_NAMES.index("left_knee")]] == "right_knee"
    assert JOINT_FLIP[JOINT_NAMES.index("spine2")] == JOINT_NAMES.index("spine2")


def test_tree_is_smpls():
    # as drawn in the SMPL paper: chains from the extremities to the pelvis
    chains = {
        "left_foot": "left_ankle left_knee left_hip pelvis",
        "right_hand": "right_wrist right_elbow right_shoulder right_collar spine3 spine2 spine1 pelvis",
        "head": "neck spine3 spine2 spine1 pelvis",
    }
    for start, chain in chains.items():
        joint, seen = JOINT_NAMES.index(start), []
        while PARENTS[joint] >= 0:
            joint = PARENTS[joint]
            seen.append(JOINT_NAMES[joint])
        assert " ".join(seen) == chain
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
